//! What the suites share.

pub mod binaries;
pub mod client;
pub mod evidence;
pub mod program;
pub mod servers;
pub mod system;
pub mod waiting;
