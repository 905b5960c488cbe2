//! The search projection against a real Kafka, registry and Elasticsearch: whatever happens on the way, the index ends equal to an
//! independent fold of the log.

mod dead_letters;
mod killed;
mod runner;
mod store;
mod world;
