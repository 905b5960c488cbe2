//! The read side: lists, single posts, histories, comments and people, served from the projection in MongoDB, searches, from the
//! one in Elasticsearch, and figures, from the one in ClickHouse.
//!
//! It knows nothing of the log. A client that wants to read its own writes sends the position token of its command, and
//! the answer waits until the projection's checkpoint has passed it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod analytics;
mod comments;
pub mod config;
mod cursor;
mod dashboard;
mod etag;
mod follow;
mod freshness;
mod live;
mod page;
mod path;
mod people;
mod posts;
mod progress;
mod projections;
mod read;
mod search;
mod shared;
pub mod startup;
mod store;
mod viewer;
