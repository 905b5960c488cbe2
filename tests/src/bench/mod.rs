//! Measurements: each figure stands beside its floor, the least that a server can do for the same effect, measured in
//! the same run on the same machine.
//!
//! - [`load`]: requests over many connections, as fast as they are answered or at a fixed rate
//! - [`floor`]: the bare handlers
//! - [`write`](mod@write): commands through HTTP; [`read`]: reads through HTTP; [`visible`]: from a command to a read that shows it
//! - [`project`]: the projections; [`inserts`]: their floors; [`throttle`]: what others feel of a rebuild
//! - [`peers`]: other people's systems under the same load; [`postgres`]: the database of one of them
//! - [`isolation`]: what a saturated partition does to the others; [`backlog`]: the same where its broker is slow, not the processors
//! - [`likes`]: how many likes one post takes
//! - [`memory`]: the memory of command-api; [`fill`]: the log that it folds
//! - [`log`]: reading the log by the reader rule
//! - [`failover`]: changes of owners as clients see them
//! - [`start`]: how long programs take to be ready
//! - [`report`]: the table and the JSON file; [`picture`]: latency against load

pub mod backlog;
pub mod body;
pub mod failover;
pub mod fill;
pub mod floor;
pub mod inserts;
pub mod isolation;
pub mod likes;
pub mod load;
pub mod log;
pub mod memory;
pub mod peers;
pub mod picture;
pub mod postgres;
pub mod project;
pub mod read;
pub mod report;
pub mod start;
pub mod throttle;
pub mod visible;
pub mod write;

/// Of every log that is measured, and of the floor's topic.
pub const PARTITIONS: u32 = 12;
