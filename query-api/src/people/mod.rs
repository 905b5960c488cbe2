//! `GET /api/users/{id}`, and the names that other views join.

pub mod query;
pub mod route;
