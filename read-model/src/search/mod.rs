//! What the search projection keeps in Elasticsearch: one index of posts for each version of the projection, an alias by which
//! readers find the one that is in force, and the checkpoints.

pub mod connection;
pub mod indexes;
pub mod names;
pub mod post;

pub use connection::{Elasticsearch, ElasticsearchError};
pub use indexes::ensure;
pub use names::SearchNames;
pub use post::SearchPost;
