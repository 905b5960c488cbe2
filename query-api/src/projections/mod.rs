//! `GET /api/projections`: how the projections are doing, as the projectors themselves say.

mod query;
pub mod route;

pub use query::Projectors;
