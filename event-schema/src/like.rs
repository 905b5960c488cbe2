//! The events of a like: what one person thinks of one post. They stand in the partition of the post.

use serde::{Deserialize, Serialize};

use crate::id::{PersonId, PostId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostLiked {
    pub post_id: PostId,
    pub person_id: PersonId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostUnliked {
    pub post_id: PostId,
    pub person_id: PersonId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeEvent {
    Liked(PostLiked),
    Unliked(PostUnliked),
}

impl LikeEvent {
    pub fn post_id(&self) -> PostId {
        match self {
            LikeEvent::Liked(event) => event.post_id,
            LikeEvent::Unliked(event) => event.post_id,
        }
    }
}
