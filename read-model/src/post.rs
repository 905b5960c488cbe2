use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::stored;

/// A post as it stands after the event `version`, in the collection [`crate::Projection::posts`].
///
/// `authorId` and `createdAt` are the contract's shard key ({authorId hashed, createdAt}): a writer filters by them and
/// by `_id`, and a change of author is a change of the shard key, which MongoDB allows only in a transaction or as a
/// retryable write and only when the filter names the whole old key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    #[serde(rename = "_id", with = "stored::uuid_binary")]
    pub id: Uuid,
    #[serde(rename = "type")]
    pub post_type: PostType,
    pub title: String,
    /// Markdown, as it was written. Readers of lists leave this and `html` out and find them empty.
    #[serde(default)]
    pub content: String,
    /// `content` rendered and sanitized: safe to put into a page as it is.
    #[serde(default)]
    pub html: String,
    #[serde(default)]
    pub excerpt: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default, with = "stored::uuid_binaries")]
    pub media: Vec<Uuid>,
    pub status: PostStatus,
    #[serde(with = "stored::uuid_binary")]
    pub author_id: Uuid,
    /// Fixed at first publish; kept through unpublish and delete.
    #[serde(default)]
    pub slug: Option<String>,
    #[serde(with = "stored::date")]
    pub created_at: DateTime<Utc>,
    #[serde(with = "stored::date")]
    pub updated_at: DateTime<Utc>,
    #[serde(default, with = "stored::optional_date")]
    pub published_at: Option<DateTime<Utc>>,
    /// When the post is due, set only while `status` is scheduled.
    #[serde(default, with = "stored::optional_date")]
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Set only while `status` is deleted, as is `status_before_delete`.
    #[serde(default, with = "stored::optional_date")]
    pub deleted_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub status_before_delete: Option<PostStatus>,
    /// How many people like it now.
    #[serde(default)]
    pub likes: i64,
    /// How many comments it has that are not deleted.
    #[serde(default)]
    pub comments: i64,
    /// The offset of the last event that `likes` and `comments` count, -1 before the first. It guards them as `version`
    /// guards the rest.
    #[serde(default = "nothing_counted")]
    pub counted_to: i64,
    /// How many events the post has: the version guard of the projection and the version of the ETag.
    pub version: u64,
    /// Where the last event folded into this document stands in the log.
    pub partition: u32,
    pub offset: i64,
}

impl Post {
    /// The offset of the last event that is in this document, of the post itself or of what is under it.
    pub fn last_offset(&self) -> i64 {
        self.offset.max(self.counted_to)
    }
}

fn nothing_counted() -> i64 {
    -1
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostType {
    Article,
    Note,
    Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostStatus {
    Draft,
    Scheduled,
    Published,
    Deleted,
}

impl PostType {
    pub const ALL: [PostType; 3] = [PostType::Article, PostType::Note, PostType::Link];

    /// The name in the store, in events and over HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            PostType::Article => "article",
            PostType::Note => "note",
            PostType::Link => "link",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.as_str() == name)
    }
}

impl PostStatus {
    pub const ALL: [PostStatus; 4] =
        [PostStatus::Draft, PostStatus::Scheduled, PostStatus::Published, PostStatus::Deleted];

    /// The name in the store, in events and over HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            PostStatus::Draft => "draft",
            PostStatus::Scheduled => "scheduled",
            PostStatus::Published => "published",
            PostStatus::Deleted => "deleted",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.as_str() == name)
    }
}

/// Whose post a slug is, in the collection [`crate::Projection::slugs`]. A slug is never given to another post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slug {
    #[serde(rename = "_id")]
    pub slug: String,
    #[serde(with = "stored::uuid_binary")]
    pub post_id: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{self, Bson, doc, spec::BinarySubtype};

    fn post_of_1790() -> Post {
        let time = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        Post {
            id: Uuid::from_u128(7),
            post_type: PostType::Article,
            title: "Washington 1790".into(),
            content: "Fellow-Citizens".into(),
            html: "<p>Fellow-Citizens</p>\n".into(),
            excerpt: None,
            tags: vec!["18th-century".into()],
            category: None,
            media: vec![Uuid::from_u128(9)],
            status: PostStatus::Published,
            author_id: Uuid::from_u128(8),
            slug: Some("washington-1790-00000007".into()),
            created_at: time("2026-01-02T03:04:05.678Z"),
            updated_at: time("2026-01-02T03:04:05.678Z"),
            published_at: Some(time("1790-01-01T00:00:00Z")),
            scheduled_at: None,
            deleted_at: None,
            status_before_delete: None,
            likes: 3,
            comments: 1,
            counted_to: 43,
            version: 2,
            partition: 3,
            offset: 41,
        }
    }

    #[test]
    fn a_post_comes_back_from_bson_as_it_went_in() {
        let post = post_of_1790();
        let document = bson::to_document(&post).unwrap();
        assert_eq!(bson::from_document::<Post>(document).unwrap(), post);
        let bytes = bson::to_vec(&post).unwrap();
        assert_eq!(bson::from_slice::<Post>(&bytes).unwrap(), post);
    }

    #[test]
    fn ids_are_binaries_of_subtype_4_and_times_are_dates() {
        let document = bson::to_document(&post_of_1790()).unwrap();
        let bytes = bson::to_vec(&post_of_1790()).unwrap();
        let raw = bson::from_slice::<bson::Document>(&bytes).unwrap();
        assert_eq!(document, raw, "both ways of serializing give the same");
        for field in ["_id", "authorId"] {
            assert!(matches!(&document[field], Bson::Binary(b) if b.subtype == BinarySubtype::Uuid), "{field}");
        }
        assert_eq!(document["_id"], stored::id(Uuid::from_u128(7)));
        assert_eq!(document.get_datetime("publishedAt").unwrap().timestamp_millis(), -5_680_195_200_000);
        assert_eq!(document["scheduledAt"], Bson::Null);
        assert_eq!(document.get_str("type").unwrap(), "article");
    }

    #[test]
    fn a_missing_optional_field_reads_as_none() {
        let mut document = bson::to_document(&post_of_1790()).unwrap();
        for field in [
            "excerpt",
            "tags",
            "category",
            "media",
            "slug",
            "publishedAt",
            "scheduledAt",
            "deletedAt",
            "likes",
            "comments",
            "countedTo",
        ] {
            document.remove(field);
        }
        let post: Post = bson::from_document(document).unwrap();
        assert_eq!((post.likes, post.comments, post.counted_to), (0, 0, -1));
        assert_eq!((post.last_offset(), post_of_1790().last_offset()), (41, 43));
        assert_eq!((post.excerpt, post.slug, post.published_at), (None, None, None));
        assert!(post.tags.is_empty() && post.media.is_empty());
    }

    #[test]
    fn names_of_types_and_statuses_are_those_of_serde() {
        for status in PostStatus::ALL {
            assert_eq!(bson::to_bson(&status).unwrap(), Bson::String(status.as_str().into()));
            assert_eq!(PostStatus::parse(status.as_str()), Some(status));
        }
        for post_type in PostType::ALL {
            assert_eq!(bson::to_bson(&post_type).unwrap(), Bson::String(post_type.as_str().into()));
            assert_eq!(PostType::parse(post_type.as_str()), Some(post_type));
        }
        assert_eq!(PostStatus::parse("Draft"), None);
    }

    #[test]
    fn a_slug_is_its_own_key() {
        let slug = Slug { slug: "a-00000007".into(), post_id: Uuid::from_u128(7) };
        let document = bson::to_document(&slug).unwrap();
        assert_eq!(document, doc! { "_id": "a-00000007", "postId": stored::id(Uuid::from_u128(7)) });
    }
}
