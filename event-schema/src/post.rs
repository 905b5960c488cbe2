//! The events of a post. Field names in JSON and Avro are camelCase; times are of millisecond precision.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{self, PersonId};
use crate::{time, version};

/// The text is none of the names that are allowed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of {allowed}")]
pub struct UnknownName {
    pub found: String,
    /// All allowed names, with commas between them.
    pub allowed: String,
}

/// A closed set of names, each written as its text in every format.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum $name {
            $($variant),+
        }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name in events and over HTTP.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text),+
                }
            }

            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownName;

            fn try_from(found: String) -> Result<Self, Self::Error> {
                Self::parse(&found).ok_or_else(|| UnknownName {
                    found,
                    allowed: Self::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl From<$name> for &'static str {
            fn from(name: $name) -> Self {
                name.as_str()
            }
        }
    };
}

names!(PostType { Article = "article", Note = "note", Link = "link" });
names!(
    /// What a restored post becomes. A deletion cancels a schedule, so "scheduled" is none of them.
    RestoredStatus { Draft = "draft", Published = "published" }
);

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
    #[serde(with = "id::texts")]
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
    #[serde(with = "id::optional_texts")]
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostSlugRefused {
    pub slug: String,
    /// It and all smaller ones are refused from now on, for whatever slug.
    #[serde(with = "version")]
    pub token: u64,
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
    SlugRefused(PostSlugRefused),
}
