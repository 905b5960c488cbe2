//! `GET /api/universal/post/{id}/comments`.

mod params;
pub mod query;
pub mod route;
