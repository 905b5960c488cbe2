//! Posts: lists, single posts, and the history of one.

pub mod by_id;
pub mod history;
pub mod list;
pub mod view;
