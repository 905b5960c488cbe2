//! The events of a post. Field names in JSON and Avro are camelCase; times are of millisecond precision.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::PersonId;
use crate::time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostType {
    Article,
    Note,
    Link,
}

impl PostType {
    pub const ALL: [PostType; 3] = [PostType::Article, PostType::Note, PostType::Link];

    /// The name in events and over HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            PostType::Article => "article",
            PostType::Note => "note",
            PostType::Link => "link",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What a restored post becomes. A deletion cancels a schedule, so "scheduled" is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestoredStatus {
    Draft,
    Published,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostCreated {
    pub post_type: PostType,
    pub title: String,
    /// Markdown, as it was written.
    pub content: String,
    /// Empty for none.
    pub excerpt: String,
    pub tags: Vec<String>,
    /// Empty for none.
    pub category: String,
    pub media: Vec<Uuid>,
    pub author_id: PersonId,
    /// The time to be published under, where an editor or admin chose one.
    #[serde(with = "time::optional_millis")]
    pub published_at: Option<DateTime<Utc>>,
}

/// What changed of a post; `None` is "as it was".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostEdited {
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
    #[serde(with = "time::optional_millis")]
    pub published_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostPublished {
    /// Fixed at the first publish: later ones repeat it.
    pub slug: String,
    #[serde(with = "time::millis")]
    pub published_at: DateTime<Utc>,
    /// Whether its schedule published it, and not a person.
    pub scheduled: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostUnpublished {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostScheduled {
    #[serde(with = "time::millis")]
    pub at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostDeleted {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostRestored {
    pub status: RestoredStatus,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostEvent {
    Created(PostCreated),
    Edited(PostEdited),
    Published(PostPublished),
    Unpublished(PostUnpublished),
    Scheduled(PostScheduled),
    Deleted(PostDeleted),
    Restored(PostRestored),
}
