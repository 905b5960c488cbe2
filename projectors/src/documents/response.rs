//! What becomes of comments, of likes, and of their numbers on the post they are about.

use chrono::{DateTime, Utc};
use read_model::Comment;
use uuid::Uuid;

use crate::documents::change::Content;

/// One event of a comment.
#[derive(Clone, Debug, PartialEq)]
pub struct CommentWrite {
    pub id: Uuid,
    /// Applies to a document of the version before this one.
    pub version: u64,
    pub partition: u32,
    pub offset: i64,
    pub change: CommentChange,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CommentChange {
    Whole(Box<Comment>),
    Edited {
        content: Content,
        at: DateTime<Utc>,
    },
    /// Its words go.
    Deleted {
        at: DateTime<Utc>,
    },
}

/// What some events add to the numbers on one post, in the order of the log.
///
/// Sums know no version: each step carries the offset of its event, and the post the offset up to which it has been
/// counted. All that belongs to a post stands in one partition, so a step that is not behind that offset was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct CountWrite {
    pub post_id: Uuid,
    /// One or more.
    pub steps: Vec<CountStep>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountStep {
    pub offset: i64,
    pub likes: i64,
    pub comments: i64,
}

impl CommentWrite {
    /// The comment, where this is the whole of it.
    pub fn whole(&self) -> Option<&Comment> {
        match &self.change {
            CommentChange::Whole(comment) => Some(comment),
            CommentChange::Edited { .. } | CommentChange::Deleted { .. } => None,
        }
    }
}

impl CountWrite {
    /// The offset of its last event.
    pub fn offset(&self) -> i64 {
        self.steps.last().map_or(-1, |step| step.offset)
    }

    /// Adds the next events of the same post. Events that it holds already change nothing.
    pub fn follow(&mut self, next: Self) {
        let held = self.offset();
        self.steps.extend(next.steps.into_iter().filter(|step| step.offset > held));
    }
}
