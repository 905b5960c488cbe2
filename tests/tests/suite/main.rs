//! The suite against real servers, in one binary: each module is named for what it tests.

#![allow(clippy::unwrap_used)]

mod brokers;
mod documents;
mod kafka_log;
mod registry;
mod query_api;
