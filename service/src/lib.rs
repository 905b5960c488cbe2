//! The chassis every Groot binary shares: configuration, telemetry, health, HTTP middleware, problem details,
//! authentication, supervision and shutdown. It knows nothing of posts, of Kafka or of any store.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod admin;
mod allocator;
pub mod auth;
pub mod config;
pub mod health;
pub mod http;
pub mod json;
pub mod openapi;
pub mod params;
pub mod problem;
pub mod shutdown;
pub mod startup;
pub mod supervise;
pub mod telemetry;
pub mod token;
pub mod usage;
