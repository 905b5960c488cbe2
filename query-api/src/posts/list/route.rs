use axum::response::Response;
use read_model::Post;
use serde::Serialize;
use service::problem::{Problem, ProblemBody};
use utoipa::ToSchema;

use super::params::ListParams;
use super::query;
use crate::page::Paging;
use crate::people::query::names;
use crate::posts::view::PostSummary;
use crate::read::{Read, ReadRequest};
use crate::store::StoreError;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostPage {
    pub data: Vec<PostSummary>,
    #[schema(example = 1)]
    pub page: u32,
    #[schema(example = 10)]
    pub limit: u32,
    /// How many posts match on all pages together. It may be what was counted for somebody else a moment ago, unless a position is named.
    #[schema(example = 233)]
    pub total: u64,
    #[schema(example = 24)]
    pub total_pages: u64,
}

/// A stretch of a list that is walked by cursor.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostStretch {
    pub data: Vec<PostSummary>,
    #[schema(example = 10)]
    pub limit: u32,
    /// What to send as `cursor` for the next stretch; null at the end.
    pub next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only describes the two shapes of the answer")]
pub enum PostList {
    Page(PostPage),
    Stretch(PostStretch),
}

/// Lists posts
///
/// Published posts unless `status` asks otherwise, within what the caller may see: everybody sees published posts,
/// authors also their own, editors and admins all. By default the newest publication comes first; posts that were
/// never published come after all others, the newest first. Posts with the same sort key are ordered by id.
///
/// With `cursor` (empty to begin) the answer has `nextCursor` in place of page numbers; a walk by cursor shows each
/// post once, whatever is written meanwhile. Content and html are left out of lists.
#[utoipa::path(
    get,
    path = "/api/universal/post",
    tag = "posts",
    params(
        ("author" = Option<Uuid>, Query, description = "Only posts of this person."),
        ("tag" = Option<String>, Query, description = "Only posts with exactly this tag.", example = "18th-century"),
        ("type" = Option<String>, Query, description = "article, note or link.", example = "article"),
        ("status" = Option<String>, Query, description = "draft, scheduled, published or deleted, or several with commas between; published if left out.", example = "published"),
        ("from" = Option<String>, Query, description = "Published at this time or later; a day is taken from its beginning (UTC).", example = "1790-01-01"),
        ("to" = Option<String>, Query, description = "Published at this time or earlier; a day is taken to its end (UTC).", example = "1799-12-31T23:59:59Z"),
        ("page" = Option<u32>, Query, description = "Counted from 1; page x limit is at most 10,000.", minimum = 1, example = 1),
        ("limit" = Option<u32>, Query, description = "How many posts; 10 if left out.", minimum = 1, maximum = 100, example = 10),
        ("cursor" = Option<String>, Query, description = "nextCursor of the answer before, with the same filters and sorting; empty to begin."),
        ("sortBy" = Option<String>, Query, description = "publishedAt (if left out), createdAt, updatedAt or title (by code points).", example = "publishedAt"),
        ("sortOrder" = Option<String>, Query, description = "desc (if left out) or asc.", example = "desc"),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "A page, or with `cursor` a stretch.", body = PostList),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or MongoDB does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn list(request: ReadRequest) -> Result<Response, Problem> {
    let (params, mut read) = request.open::<ListParams>().await?;
    let limit = params.limit;
    match &params.paging {
        Paging::Page(page) => {
            let (posts, total) =
                query::page(&mut read.session, &params, *page, read.viewer, read.totals.as_ref()).await?;
            let data = summaries(&mut read, posts).await?;
            let total_pages = page.count(total);
            read.answer(&PostPage { data, page: page.number, limit, total, total_pages }, None)
        }
        Paging::Cursor(cursor) => {
            let (posts, next_cursor) = query::walk(&mut read.session, &params, cursor.as_ref(), read.viewer).await?;
            let data = summaries(&mut read, posts).await?;
            read.answer(&PostStretch { data, limit, next_cursor }, None)
        }
    }
}

async fn summaries(read: &mut Read, posts: Vec<Post>) -> Result<Vec<PostSummary>, StoreError> {
    let names = names(&mut read.session, posts.iter().map(|post| post.author_id)).await?;
    Ok(posts
        .into_iter()
        .map(|post| {
            let author = names.get(&post.author_id).cloned();
            PostSummary::new(post, author)
        })
        .collect())
}
