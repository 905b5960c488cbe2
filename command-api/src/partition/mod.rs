//! One partition: its runtime without IO, and the task that drives it.

pub mod aggregates;
mod drafts;
mod pending;
pub mod runtime;
pub mod submission;
