//! The developer commands behind `./dev`, and the servers they start, which the tests use as well.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod addresses;
pub mod cache;
pub mod cli;
pub mod commands;
pub mod compose;
pub mod corpus;
pub mod digests;
pub mod disk;
pub mod failure;
pub mod groot;
pub mod keys;
pub mod map;
mod mongodb_wire;
pub mod packages;
pub mod paths;
pub mod ports;
pub mod probe;
pub mod process;
pub mod progress;
pub mod run;
pub mod server;
pub mod stack;
mod stack_lock;
pub mod token;
pub mod versions;
mod watcher;
