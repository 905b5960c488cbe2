//! The events of a comment. They stand in the partition of the post that the comment is under.

use serde::{Deserialize, Serialize};

use crate::id::{PersonId, PostId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommentAdded {
    pub post_id: PostId,
    pub author_id: PersonId,
    /// Markdown, as it was written, trimmed.
    pub content: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommentEdited {
    pub post_id: PostId,
    /// Markdown, as it was written, trimmed.
    pub content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommentDeleted {
    pub post_id: PostId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommentEvent {
    Added(CommentAdded),
    Edited(CommentEdited),
    Deleted(CommentDeleted),
}

impl CommentEvent {
    pub fn post_id(&self) -> PostId {
        match self {
            CommentEvent::Added(event) => event.post_id,
            CommentEvent::Edited(event) => event.post_id,
            CommentEvent::Deleted(event) => event.post_id,
        }
    }
}
