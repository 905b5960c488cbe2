use axum::response::Response;
use chrono::{DateTime, Utc};
use read_model::Comment;
use serde::Serialize;
use service::problem::{Problem, ProblemBody};
use utoipa::ToSchema;
use uuid::Uuid;

use super::params::CommentParams;
use super::query;
use crate::page::Paging;
use crate::path::Segment;
use crate::people::query::{Names, names};
use crate::posts::by_id::query::visible_post;
use crate::posts::view::AuthorView;
use crate::read::{Read, ReadRequest};
use crate::store::StoreError;

/// What somebody says to a post.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentView {
    #[schema(example = "0199a3c0-8d4e-7c11-9f6e-2b1f6c1d2e3f")]
    pub id: Uuid,
    pub author: AuthorView,
    /// Markdown, as it was written.
    #[schema(example = "So *true*")]
    pub content: String,
    /// The content rendered and sanitized, safe to put into a page.
    #[schema(example = "<p>So <em>true</em></p>")]
    pub html: String,
    pub created_at: DateTime<Utc>,
    /// Later than `createdAt` if it was edited.
    pub updated_at: DateTime<Utc>,
    /// How many events the comment has; what If-Match takes.
    #[schema(example = 1)]
    pub version: u64,
}

/// One page of the comments of a post.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentPage {
    pub data: Vec<CommentView>,
    #[schema(example = 1)]
    pub page: u32,
    #[schema(example = 10)]
    pub limit: u32,
    /// How many comments the post has on all pages together.
    #[schema(example = 3)]
    pub total: u64,
    #[schema(example = 1)]
    pub total_pages: u64,
}

/// A stretch of the comments, walked by cursor.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentStretch {
    pub data: Vec<CommentView>,
    #[schema(example = 10)]
    pub limit: u32,
    /// What to send as `cursor` for the next stretch; null at the end.
    pub next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only describes the two shapes of the answer")]
pub enum CommentList {
    Page(CommentPage),
    Stretch(CommentStretch),
}

impl CommentView {
    fn new(comment: Comment, names: &Names) -> Self {
        Self {
            id: comment.id,
            author: AuthorView { id: comment.author_id, name: names.get(&comment.author_id).cloned() },
            content: comment.content,
            html: comment.html,
            created_at: comment.created_at,
            updated_at: comment.updated_at,
            version: comment.version,
        }
    }
}

/// Lists the comments of a post
///
/// For those who may see the post itself, the oldest first. Deleted comments are left out, and are not counted either.
///
/// With `cursor` (empty to begin) the answer has `nextCursor` in place of page numbers; a walk by cursor shows each
/// comment once, whatever is written meanwhile.
#[utoipa::path(
    get,
    path = "/api/universal/post/{id}/comments",
    tag = "comments",
    params(
        ("id" = String, Path, description = "The id of the post or its slug.", example = "george-washington-1790-6c1d2e3f"),
        ("page" = Option<u32>, Query, description = "Counted from 1; page x limit is at most 10,000.", minimum = 1, example = 1),
        ("limit" = Option<u32>, Query, description = "How many comments; 10 if left out.", minimum = 1, maximum = 100, example = 10),
        ("cursor" = Option<String>, Query, description = "nextCursor of the answer before, with the same sortOrder; empty to begin."),
        ("sortOrder" = Option<String>, Query, description = "By the time of creation: asc (if left out) or desc.", example = "asc"),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "A page, or with `cursor` a stretch.", body = CommentList),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such post, or none that the caller may see.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "Deleted, said only to those who may restore it.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or MongoDB does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn list(Segment(id_or_slug): Segment, request: ReadRequest) -> Result<Response, Problem> {
    let (params, mut read) = request.open::<CommentParams>().await?;
    let post = visible_post(&mut read.session, &id_or_slug, read.viewer).await?;
    let limit = params.limit;
    match &params.paging {
        Paging::Page(page) => {
            let comments = query::page(&mut read.session, post.id, &params, *page).await?;
            let data = views(&mut read, comments).await?;
            let total = u64::try_from(post.comments).unwrap_or_default();
            let total_pages = page.count(total);
            read.answer(&CommentPage { data, page: page.number, limit, total, total_pages }, None)
        }
        Paging::Cursor(cursor) => {
            let (comments, next_cursor) = query::walk(&mut read.session, post.id, &params, cursor.as_ref()).await?;
            let data = views(&mut read, comments).await?;
            read.answer(&CommentStretch { data, limit, next_cursor }, None)
        }
    }
}

async fn views(read: &mut Read, comments: Vec<Comment>) -> Result<Vec<CommentView>, StoreError> {
    let names = names(&mut read.session, comments.iter().map(|comment| comment.author_id)).await?;
    Ok(comments.into_iter().map(|comment| CommentView::new(comment, &names)).collect())
}
