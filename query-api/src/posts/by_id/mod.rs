//! `GET /api/universal/post/{id}` and `/{slug}`.

pub mod cache;
mod page;
pub mod query;
pub mod route;
