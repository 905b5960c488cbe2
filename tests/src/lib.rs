//! What the suites and the benches share.

pub mod activity;
pub mod bench;
pub mod binaries;
pub mod client;
pub mod events;
pub mod evidence;
pub mod faults;
pub mod peer;
pub mod posts;
pub mod program;
pub mod s3;
pub mod servers;
pub mod system;
pub mod tool;
pub mod waiting;
