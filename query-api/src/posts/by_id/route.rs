use std::sync::Arc;

use axum::response::Response;
use service::problem::{Problem, ProblemBody};

use super::query::{id_of, not_found, page, visible};
use crate::path::{self, Segment};
use crate::posts::view::PostView;
use crate::read::{ReadRequest, located};

/// Reads a post
///
/// By id, or by the slug that it got when it was first published.
#[utoipa::path(
    get,
    path = "/api/universal/post/{id}",
    tag = "posts",
    params(
        ("id" = String, Path, description = "The id of the post or its slug.", example = "george-washington-1790-6c1d2e3f"),
        ("If-None-Match" = Option<String>, Header, description = "An ETag; 304 if the post is still the same."),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "The post.", body = PostView, headers(
            ("ETag" = String, description = "`\"<version>.<body hash>\"`; If-Match takes it."),
            ("Groot-Position" = String, description = "Where in the log the last event is that the answer shows, of the post or of what is under it."),
        )),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such post, or none that the caller may see.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "Deleted, said only to those who may restore it.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or MongoDB does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn by_id(Segment(id_or_slug): Segment, request: ReadRequest) -> Result<Response, Problem> {
    let reads = request.reads.clone();
    let ((), asked) = request.check()?;
    let (viewer, may_be_kept) = (asked.viewer, asked.takes_what_is_there());
    let (moment, reply) = asked.admit(&reads.progress).await?;
    let found = match path::id(&id_or_slug).filter(|_| may_be_kept) {
        Some(id) => reads.posts.page(id).await?,
        None => {
            let mut session = reads.store.session(&moment).await?;
            let Some(id) = id_of(&mut session, &id_or_slug).await? else { return Err(not_found()) };
            let kept = if may_be_kept { reads.posts.page(id).await? } else { None };
            // What is kept may be from before the post got its slug, which the session has seen.
            match kept.filter(|page| page.slug.as_ref() == Some(&id_or_slug)) {
                Some(page) => Some(page),
                None => page(&mut session, id).await?.map(Arc::new),
            }
        }
    };
    let found = visible(found, |page| page.sight(viewer))?;
    located(reply.rendered(&found.answer), &reads.progress, found.partition, found.offset).await
}
