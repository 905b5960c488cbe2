//! `GET /api/search` and `/api/search/suggest`, served from the projection in Elasticsearch.
//!
//! - [`words`]: what a person has typed; [`params`]: the rest of what they ask; [`filter`], [`body`]: both as Elasticsearch is asked, pure
//! - [`query`]: asking; [`view`]: hits as clients read them; [`route`], [`suggest`]: the two routes

mod body;
mod filter;
mod params;
mod query;
pub mod route;
pub mod suggest;
mod view;
mod words;

pub use query::{Index, Searches};
