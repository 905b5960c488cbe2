//! The suite against real servers, in one binary: each module is named for what it tests.

#![allow(clippy::unwrap_used)]

mod documents;
mod brokers;
mod commands;
mod journeys;
mod kafka_log;
mod registry;
mod query_api;
