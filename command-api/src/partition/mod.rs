//! One partition: its runtime without IO, and the task that drives it.

pub mod actor;
pub mod aggregates;
mod drafts;
mod learning;
pub mod meters;
mod pending;
pub mod request;
pub mod runtime;
pub mod seat;
pub mod submission;
mod waiters;
