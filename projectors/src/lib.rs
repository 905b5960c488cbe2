//! Projections of the log: pure functions from events to writes, and one runner that feeds them.
//!
//! - [`projection`]: what a projection is to the runner; [`documents`]: the one into MongoDB
//! - [`runner`]: reads the log, and writes batches and positions
//! - [`event`]: an event as a projection meets it; [`dead_letter`]: one that is not projected
//! - [`mod@start`], [`config`]: the process
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config;
pub mod dead_letter;
pub mod documents;
pub mod event;
pub mod projection;
pub mod runner;
pub mod start;

pub use start::{Running, Settings, StartError, start};
