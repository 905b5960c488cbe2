//! What the analytics projection keeps in ClickHouse: a database for each version, with tables, views by which readers read them, and
//! the positions. That of the first version also says which one is live.

pub mod connection;
pub mod migrations;
pub mod names;
pub mod rows;

pub use connection::{Clickhouse, ClickhouseAddress, ClickhouseError, tokens};
pub use migrations::ensure;
pub use names::AnalyticsNames;
