//! The command side over HTTP, as processes on a real Kafka and a real registry.

mod activity;
mod bad_input;
mod commands_twice;
mod forwarding;
mod instances;
mod lifecycle;
mod likes_and_comments;
mod process;
mod roles_and_versions;
mod slugs;
mod state;
mod world;
