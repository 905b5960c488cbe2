//! What the search projection keeps in Elasticsearch: one index of posts for each version of the projection, the checkpoints and which
//! version is live, and an alias by which people find that.

pub mod connection;
pub mod indexes;
pub mod names;
pub mod post;

pub use connection::{Elasticsearch, ElasticsearchError};
pub use indexes::ensure;
pub use names::SearchNames;
pub use post::SearchPost;
