//! `GET /api/universal/post`.

mod filter;
pub mod params;
pub mod query;
pub mod route;
