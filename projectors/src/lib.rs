//! Projections of the log: pure functions from events to writes, and one runner that feeds them.
//!
//! - [`projection`]: what a projection is to the runner; [`documents`]: the one into MongoDB; [`search`]: the one into Elasticsearch;
//!   [`analytics`]: the one into ClickHouse, with [`activity`] beside it
//! - [`archive`]: copies the log to object storage, and projects nothing
//! - [`runner`]: reads the log, and writes batches and positions
//! - [`event`]: an event as a projection meets it; [`dead_letter`]: one that is not projected
//! - [`checkpoint`]: a position as stores keep it; [`detached`]: writes that nobody can drop half-way; [`together`]: those of several
//!   partitions in one; [`markdown`]: content as safe HTML and as plain text
//! - [`verdict`]: what a store holds beside what the log leads to
//! - [`catalog`]: the versions that a store has of a projection; [`fill`]: making one anew; [`follow`]: keeping them up with the log
//! - [`mod@start`], [`config`]: the process
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod activity;
pub mod analytics;
pub mod archive;
pub mod catalog;
mod checkpoint;
pub mod config;
pub mod dead_letter;
pub mod detached;
pub mod documents;
pub mod event;
pub mod fill;
pub mod follow;
pub mod markdown;
pub mod projection;
pub mod runner;
pub mod search;
pub mod start;
pub mod together;
pub mod verdict;

pub use follow::Running;
pub use start::{Connected, Source, StartError, StoreAddress, connected};
