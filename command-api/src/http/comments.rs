//! Commands on comments.

use axum::extract::State;
use axum::response::Response;
use event_schema::event::AggregateKind;
use event_schema::id::{CommentId, PostId};
use service::json::Fields;
use service::params::{PathUuid, PathUuids};
use service::problem::Problem;

use super::Api;
use super::caller::{Caller, OptionalFields};
use super::post_fields::{checked, nothing, unless_null};
use super::schema::{CommentBody, CommentPatch, Created, Done, Refusals};
use super::submit::{creating, on_comment};
use crate::domain::comment::CommentCommand;
use crate::domain::{Command, fields};

/// Comment on a post
///
/// Any token will do; the post must be published. With an Idempotency-Key a repeated request gives the first answer again,
/// for ever; the same key under another post is another comment.
#[utoipa::path(
    post, path = "/api/universal/post/{id}/comments", tag = "comments",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    request_body(content = CommentBody, example = json!({ "content": "It bends, *too*." })),
    responses(Created, Refusals)
)]
pub async fn add(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(post): PathUuid,
    mut body: Fields,
) -> Result<Response, Problem> {
    let content = body.string("content").and_then(|text| checked(&mut body, fields::comment(&text)));
    let content = body.finish_with(content)?;
    creating(&api, caller, AggregateKind::Comment, Some(post), |id| Command::Comment {
        post: PostId::new(post),
        id: CommentId::new(id),
        command: CommentCommand::Add { content },
    })
    .await
}

/// Change a comment
///
/// A JSON Merge Patch, for the comment's author alone. The post must be published.
#[utoipa::path(
    patch, path = "/api/universal/post/{id}/comments/{cid}", tag = "comments",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("cid" = uuid::Uuid, Path, description = "The id of the comment"),
        ("If-Match" = Option<String>, Header, description = "The version of the comment that was read"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the comment"),
    ),
    request_body(content = CommentPatch, example = json!({ "content": "It bends." })),
    responses(Done, Refusals)
)]
pub async fn edit(
    State(api): State<Api>,
    caller: Caller,
    PathUuids(ids): PathUuids<2>,
    mut body: Fields,
) -> Result<Response, Problem> {
    let content = unless_null(&mut body, "content").and_then(|text: String| checked(&mut body, fields::comment(&text)));
    body.finish()?;
    on_comment(&api, caller, ids, CommentCommand::Edit { content }).await
}

/// Delete a comment
///
/// For good. For the comment's author, editors and admins; the post must be published.
#[utoipa::path(
    delete, path = "/api/universal/post/{id}/comments/{cid}", tag = "comments",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("cid" = uuid::Uuid, Path, description = "The id of the comment"),
        ("If-Match" = Option<String>, Header, description = "The version of the comment that was read"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the comment"),
    ),
    responses(Done, Refusals)
)]
pub async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathUuids(ids): PathUuids<2>,
    OptionalFields(body): OptionalFields,
) -> Result<Response, Problem> {
    nothing(body)?;
    on_comment(&api, caller, ids, CommentCommand::Delete).await
}
