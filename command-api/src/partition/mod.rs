//! One partition: its runtime without IO, and the task that drives it.

pub mod actor;
pub mod aggregates;
mod approach;
mod drafts;
mod due;
mod latest;
mod learning;
pub mod meters;
mod pending;
pub mod queue;
pub mod recovery;
pub mod request;
pub mod runtime;
pub mod seat;
pub mod stored;
pub mod submission;
mod waiters;
