use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{PostStatus, PostType};

/// A post as search has it, folded from its own events alone. It stays when the post is deleted, with that status: Elasticsearch
/// forgets the version of a document that is gone, and an older write could bring it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchPost {
    pub id: Uuid,
    #[serde(rename = "type")]
    pub post_type: PostType,
    pub title: String,
    /// The content as plain text, without its Markdown. Readers of hits leave it out and find it empty.
    #[serde(default)]
    pub text: String,
    pub excerpt: Option<String>,
    pub tags: Vec<String>,
    pub category: Option<String>,
    pub media: Vec<Uuid>,
    pub status: PostStatus,
    pub author_id: Uuid,
    pub slug: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    /// Of `published_at`: the 18th for 1790, and for 1800.
    pub century: Option<i32>,
    /// How many events the post has.
    pub version: u64,
    /// Where the last of them stands in the log. The document's own version in Elasticsearch is the offset plus one.
    pub partition: u32,
    pub offset: u64,
}

/// The century that a time is in: the first is from the year 1 to the year 100.
pub fn century(time: DateTime<Utc>) -> i32 {
    (time.year() - 1).div_euclid(100) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_century_ends_with_its_hundredth_year() {
        let of =
            |year: i32| century(DateTime::parse_from_rfc3339(&format!("{year:04}-06-01T00:00:00Z")).unwrap().to_utc());
        assert_eq!([1, 100, 101, 1790, 1800, 1801, 2000, 2026].map(of), [1, 1, 2, 18, 18, 19, 20, 21]);
    }
}
