//! The command side of Groot: validates and decides commands, and appends what they bring about to the log.
//!
//! A command's way: [`http`] reads and validates it, [`routing`] brings it to the owner of its partition, here or on
//! another instance, the [`partition`]'s runtime has the [`domain`] decide it and appends the events, and answers once the
//! owner's own reader has released them.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config;
pub mod domain;
mod error;
mod forward;
mod fresh_id;
pub mod http;
pub mod meters;
mod named_id;
mod owners;
mod ownership;
pub mod partition;
mod peer;
pub mod routing;
pub mod slug_process;
mod startup;

pub use config::Config;
pub use startup::{Running, StartError, start};
