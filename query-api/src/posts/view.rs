//! Posts as clients read them.

use chrono::{DateTime, Utc};
use read_model::Post;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A post without its text, as lists have it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostSummary {
    #[schema(example = "0199a3c0-8d4e-7c11-9f6e-2b1f6c1d2e3f")]
    pub id: Uuid,
    /// article, note or link.
    #[serde(rename = "type")]
    #[schema(example = "article")]
    pub post_type: &'static str,
    #[schema(example = "George Washington, 1790")]
    pub title: String,
    pub excerpt: Option<String>,
    #[schema(example = json!(["18th-century"]))]
    pub tags: Vec<String>,
    pub category: Option<String>,
    pub media: Vec<Uuid>,
    /// draft, scheduled, published or deleted.
    #[schema(example = "published")]
    pub status: &'static str,
    pub author: AuthorView,
    /// Fixed at first publish; null before.
    #[schema(example = "george-washington-1790-6c1d2e3f")]
    pub slug: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[schema(example = "1790-01-01T00:00:00Z")]
    pub published_at: Option<DateTime<Utc>>,
    /// When a scheduled post is due.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// How many people like it.
    #[schema(example = 12)]
    pub likes: i64,
    /// How many comments it has.
    #[schema(example = 3)]
    pub comments: i64,
    /// How many events the post has; what If-Match takes.
    #[schema(example = 2)]
    pub version: u64,
}

/// A post with its text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostView {
    #[serde(flatten)]
    pub summary: PostSummary,
    /// Markdown, as it was written.
    #[schema(example = "Fellow-Citizens of the *Senate* and House of Representatives")]
    pub content: String,
    /// The content rendered and sanitized, safe to put into a page.
    #[schema(example = "<p>Fellow-Citizens of the <em>Senate</em> and House of Representatives</p>")]
    pub html: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AuthorView {
    #[schema(example = "0199a3bf-1c2d-7e3f-8a4b-5c6d7e8f9a0b")]
    pub id: Uuid,
    /// Null for somebody who is known only by a token.
    #[schema(example = "George Washington")]
    pub name: Option<String>,
}

impl PostSummary {
    /// `author` is the name of who wrote it, if they have one.
    pub fn new(post: Post, author: Option<String>) -> Self {
        Self {
            id: post.id,
            post_type: post.post_type.as_str(),
            title: post.title,
            excerpt: post.excerpt,
            tags: post.tags,
            category: post.category,
            media: post.media,
            status: post.status.as_str(),
            author: AuthorView { id: post.author_id, name: author },
            slug: post.slug,
            created_at: post.created_at,
            updated_at: post.updated_at,
            published_at: post.published_at,
            scheduled_at: post.scheduled_at,
            likes: post.likes,
            comments: post.comments,
            version: post.version,
        }
    }
}

impl PostView {
    pub fn new(mut post: Post, author: Option<String>) -> Self {
        let content = std::mem::take(&mut post.content);
        let html = std::mem::take(&mut post.html);
        Self { summary: PostSummary::new(post, author), content, html }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::tests::post;
    use read_model::PostStatus;

    #[test]
    fn a_post_is_one_flat_object_with_its_author_joined() {
        let author = Uuid::from_u128(3);
        let view = PostView::new(post(PostStatus::Draft, author), Some("Ada".to_owned()));
        let json = serde_json::to_value(view).unwrap();
        assert_eq!(json["author"], serde_json::json!({"id": author, "name": "Ada"}));
        assert_eq!(json["type"], "note");
        assert_eq!(json["content"], "Some *text*");
        assert_eq!(json["createdAt"], "1970-01-01T00:00:00Z");
        assert!(json["publishedAt"].is_null() && json.get("publishedAt").is_some());
    }

    #[test]
    fn somebody_known_only_by_a_token_has_no_name() {
        let json = serde_json::to_value(PostSummary::new(post(PostStatus::Draft, Uuid::nil()), None)).unwrap();
        assert!(json["author"]["name"].is_null());
        assert!(json.get("content").is_none() && json.get("html").is_none());
    }
}
