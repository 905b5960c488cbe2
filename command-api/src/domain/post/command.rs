//! What can be asked of a post. The fields have passed [`crate::domain::fields`] already.

use chrono::{DateTime, Utc};
use event_schema::id::PersonId;
use event_schema::post::PostType;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PostCommand {
    Create(PostContents),
    /// Changes the fields that are given.
    Edit(PostChanges),
    /// Changes all fields, but keeps author and time of publication where they are not given.
    Replace(PostContents),
    Publish {
        /// The time to be published under.
        published_at: Option<DateTime<Utc>>,
    },
    /// Appends nothing: whether [`PostCommand::PublishAs`] may be tried. The version in its answer is the token.
    CheckPublishAs {
        published_at: Option<DateTime<Utc>>,
        slug: String,
    },
    /// Publishes under a slug that was reserved for the post before.
    PublishAs {
        published_at: Option<DateTime<Utc>>,
        slug: String,
        /// The version of the post when it was asked, before the slug was reserved.
        token: u64,
    },
    /// The system's: the reservation under this token, and under all smaller ones, comes to nothing, unless the post is
    /// published under the slug already.
    RefuseSlug {
        slug: String,
        token: u64,
    },
    /// Takes a published post back to draft, or cancels a schedule.
    Unpublish,
    Schedule {
        at: DateTime<Utc>,
    },
    Delete,
    Restore,
    /// The system's: the schedule for this time has come due.
    PublishScheduled {
        at: DateTime<Utc>,
    },
}

/// All that a person writes of a post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostContents {
    pub post_type: PostType,
    pub title: String,
    pub content: String,
    /// Empty for none.
    pub excerpt: String,
    pub tags: Vec<String>,
    /// Empty for none.
    pub category: String,
    pub media: Vec<Uuid>,
    pub author_id: Option<PersonId>,
    pub published_at: Option<DateTime<Utc>>,
}

/// What is to change of a post; `None` is "as it is".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PostChanges {
    pub post_type: Option<PostType>,
    pub title: Option<String>,
    pub content: Option<String>,
    /// Empty takes it away.
    pub excerpt: Option<String>,
    pub tags: Option<Vec<String>>,
    /// Empty takes it away.
    pub category: Option<String>,
    pub media: Option<Vec<Uuid>>,
    pub author_id: Option<PersonId>,
    pub published_at: Change<DateTime<Utc>>,
}

/// What is to become of a value that may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change<T> {
    #[default]
    Keep,
    Set(T),
    Clear,
}

impl From<PostContents> for PostChanges {
    fn from(contents: PostContents) -> Self {
        Self {
            post_type: Some(contents.post_type),
            title: Some(contents.title),
            content: Some(contents.content),
            excerpt: Some(contents.excerpt),
            tags: Some(contents.tags),
            category: Some(contents.category),
            media: Some(contents.media),
            author_id: contents.author_id,
            published_at: contents.published_at.map_or(Change::Keep, Change::Set),
        }
    }
}
