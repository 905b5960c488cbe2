//! The suite against real servers, in one binary: each module is named for what it tests.

#![allow(clippy::unwrap_used)]

mod analytics;
mod archive;
mod brokers;
mod commands;
mod documents;
mod faults;
mod journeys;
mod kafka_log;
mod ledger;
mod query_api;
mod registry;
mod search;
