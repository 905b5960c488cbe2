//! query-api over HTTP, with what projectors write, on a real MongoDB, Elasticsearch and ClickHouse.

mod analytics;
mod cache;
mod comments;
mod freshness;
mod lists;
mod live;
mod outage;
mod search;
mod visibility;
mod world;
