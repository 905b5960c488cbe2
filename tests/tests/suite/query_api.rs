//! query-api over HTTP, with what projectors write, on a real MongoDB and Elasticsearch.

mod comments;
mod freshness;
mod lists;
mod outage;
mod search;
mod visibility;
mod world;
