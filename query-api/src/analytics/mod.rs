//! `GET /api/analytics/*`, served from the projection in ClickHouse.
//!
//! - [`params`]: what is asked; [`buckets`]: the pieces that a time is cut into, pure
//! - [`query`]: asking; [`view`]: figures as clients read them; [`answer`]: what many ask at a time
//! - [`overview`], [`series`], [`top`]: the routes

mod answer;
mod buckets;
pub mod overview;
mod params;
mod query;
pub mod series;
pub mod top;
mod view;

pub use answer::Figures;
pub use query::Tables;
