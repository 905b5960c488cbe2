//! The documents projection against a real Kafka, registry and MongoDB: whatever happens on the way, the store ends equal to
//! an independent fold of the log.

mod ahead;
mod dead_letters;
mod evolution;
mod killed;
mod runner;
mod store;
mod world;
