//! The events of Groot: their Rust types, their Avro schemas, the metadata that travels in record headers, and the codec
//! between them. Depends on no other crate of the workspace and knows no Kafka type.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod activity;
pub mod canonical;
pub mod codec;
pub mod comment;
pub mod event;
pub mod hash;
pub mod id;
pub mod like;
pub mod meta;
pub mod person;
pub mod post;
mod registry;
mod schemas;
pub mod slug;
pub mod time;
mod upcast;
mod version;
mod wire;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod round_trip;
