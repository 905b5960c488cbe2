//! The command side of Groot: validates and decides commands, and appends what they bring about to the log.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod domain;
pub mod partition;
