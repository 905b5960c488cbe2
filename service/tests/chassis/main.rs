//! The chassis as clients and operators meet it: every test asks a real server over TCP.

#![allow(clippy::unwrap_used)]

mod bodies;
mod docs;
mod failures;
mod headers;
mod health;
mod process;
mod server;
mod support;
mod who;
