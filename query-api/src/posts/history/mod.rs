//! `GET /api/universal/post/{id}/history`.

pub mod query;
pub mod route;
