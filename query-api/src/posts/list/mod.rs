//! `GET /api/universal/post`.

mod cursor;
mod filter;
pub mod params;
pub mod query;
pub mod route;
