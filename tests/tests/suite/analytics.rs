//! The analytics projection against a real Kafka, registry and ClickHouse: whatever happens on the way, rows and statistics end equal to
//! an independent fold of the log.

mod activity;
mod dead_letters;
mod killed;
mod runner;
mod steps;
mod store;
pub mod world;
