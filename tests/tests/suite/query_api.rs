//! query-api over HTTP, with documents as a projector writes them, on a real MongoDB.

mod comments;
mod freshness;
mod lists;
mod outage;
mod visibility;
mod world;
