//! `GET /api/universal/post/{id}` and `/{slug}`.

pub mod query;
pub mod route;
