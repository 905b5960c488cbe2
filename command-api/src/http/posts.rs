//! Commands on posts.

use axum::extract::State;
use axum::response::Response;
use event_schema::event::AggregateKind;
use event_schema::id::PostId;
use service::json::Fields;
use service::params::PathUuid;
use service::problem::{Problem, ProblemType};

use super::Api;
use super::caller::{Caller, OptionalFields};
use super::if_match::IfMatch;
use super::post_fields;
use super::schema::{Created, Done, PostBody, PostPatch, PublishBody, Refusals, ScheduleBody};
use super::submit::{creating, on_post, on_post_under_slug};
use crate::domain::Command;
use crate::domain::post::PostCommand;

/// Create a post as a draft
///
/// Needs the role author, editor or admin. Only editors and admins may name another author or a time of publication.
/// With an Idempotency-Key a repeated request gives the first answer again, for ever.
#[utoipa::path(
    post, path = "/api/universal/post", tag = "posts",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person")),
    request_body(content = PostBody, example = json!({
        "type": "article", "title": "On light", "content": "# Light\n\nIt travels.", "tags": ["physics"],
        "excerpt": "It travels.", "category": "Science"
    })),
    responses(Created, Refusals)
)]
pub async fn create(State(api): State<Api>, caller: Caller, body: Fields) -> Result<Response, Problem> {
    let contents = post_fields::contents(body)?;
    creating(&api, caller, AggregateKind::Post, None, |id| Command::Post {
        id: PostId::new(id),
        command: PostCommand::Create(contents),
    })
    .await
}

/// Change some fields of a post
///
/// A JSON Merge Patch: fields that are left out stay, null takes excerpt, category, tags and media away. A time of
/// publication that is set can be changed, but not taken away.
#[utoipa::path(
    patch, path = "/api/universal/post/{id}", tag = "posts",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = Option<String>, Header, description = "The version that was read, or the ETag of the read"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    request_body(content = PostPatch, example = json!({ "title": "On light and shadow", "excerpt": null })),
    responses(Done, Refusals)
)]
pub async fn edit(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(id): PathUuid,
    body: Fields,
) -> Result<Response, Problem> {
    let changes = post_fields::changes(body)?;
    on_post(&api, caller, id, PostCommand::Edit(changes)).await
}

/// Replace all editable fields of a post
///
/// Fields that are left out get their defaults, except author and time of publication, which stay. The version that was
/// read must be named in If-Match.
#[utoipa::path(
    put, path = "/api/universal/post/{id}", tag = "posts",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = String, Header, description = "The version that was read, or the ETag of the read", example = "\"3\""),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    request_body(content = PostBody, example = json!({
        "type": "article", "title": "On light", "content": "# Light\n\nIt travels fast.", "tags": ["physics"]
    })),
    responses(Done, Refusals)
)]
pub async fn replace(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(id): PathUuid,
    body: Fields,
) -> Result<Response, Problem> {
    // `*` names no version either: it would undo the work of others unseen.
    if !matches!(caller.if_match, Some(IfMatch::Version(_))) {
        return Err(ProblemType::VersionRequired.into());
    }
    let contents = post_fields::contents(body)?;
    on_post(&api, caller, id, PostCommand::Replace(contents)).await
}

/// Publish a post
///
/// The slug is fixed by the first publication: made of title and id, or chosen here, if no other post has it or has ever had
/// it. Editors and admins may name the time to be published under. A post that is published already stays as it is.
#[utoipa::path(
    post, path = "/api/universal/post/{id}/publish", tag = "posts",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = Option<String>, Header, description = "The version that was read, or the ETag of the read"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    request_body(content = Option<PublishBody>, example = json!({ "slug": "on-light" })),
    responses(Done, Refusals)
)]
pub async fn publish(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(id): PathUuid,
    OptionalFields(body): OptionalFields,
) -> Result<Response, Problem> {
    match post_fields::publication(body)? {
        (published_at, None) => on_post(&api, caller, id, PostCommand::Publish { published_at }).await,
        (published_at, Some(slug)) => on_post_under_slug(&api, caller, id, slug, published_at).await,
    }
}

/// Take a post back to draft
///
/// Cancels a schedule too. A draft stays as it is.
#[utoipa::path(
    post, path = "/api/universal/post/{id}/unpublish", tag = "posts",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = Option<String>, Header, description = "The version that was read, or the ETag of the read"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    responses(Done, Refusals)
)]
pub async fn unpublish(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(id): PathUuid,
    OptionalFields(body): OptionalFields,
) -> Result<Response, Problem> {
    post_fields::nothing(body)?;
    on_post(&api, caller, id, PostCommand::Unpublish).await
}

/// Publish a post at a time to come
///
/// Another schedule takes the place of an earlier one; publish, unpublish and delete cancel it.
#[utoipa::path(
    post, path = "/api/universal/post/{id}/schedule", tag = "posts",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = Option<String>, Header, description = "The version that was read, or the ETag of the read"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    request_body(content = ScheduleBody, example = json!({ "at": "2030-01-01T09:00:00Z" })),
    responses(Done, Refusals)
)]
pub async fn schedule(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(id): PathUuid,
    body: Fields,
) -> Result<Response, Problem> {
    let at = post_fields::schedule(body)?;
    on_post(&api, caller, id, PostCommand::Schedule { at }).await
}

/// Delete a post
///
/// Softly: restore gives it back. A schedule is cancelled.
#[utoipa::path(
    delete, path = "/api/universal/post/{id}", tag = "posts",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = Option<String>, Header, description = "The version that was read, or the ETag of the read"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    responses(Done, Refusals)
)]
pub async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(id): PathUuid,
    OptionalFields(body): OptionalFields,
) -> Result<Response, Problem> {
    post_fields::nothing(body)?;
    on_post(&api, caller, id, PostCommand::Delete).await
}

/// Give a deleted post back
///
/// With the status from before the deletion; a scheduled post comes back as a draft.
#[utoipa::path(
    post, path = "/api/universal/post/{id}/restore", tag = "posts",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = Option<String>, Header, description = "The version that was read, or the ETag of the read"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    responses(Done, Refusals)
)]
pub async fn restore(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(id): PathUuid,
    OptionalFields(body): OptionalFields,
) -> Result<Response, Problem> {
    post_fields::nothing(body)?;
    on_post(&api, caller, id, PostCommand::Restore).await
}
