//! What the analytics projection keeps in ClickHouse: tables that carry its version, views by which readers find those that are in
//! force, and the positions.

pub mod connection;
pub mod migrations;
pub mod names;
pub mod rows;

pub use connection::{Clickhouse, ClickhouseAddress, ClickhouseError};
pub use migrations::ensure;
pub use names::AnalyticsNames;
