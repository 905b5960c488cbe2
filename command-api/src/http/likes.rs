//! Commands on the like of the person who asks.

use axum::extract::State;
use axum::response::Response;
use service::params::PathUuid;
use service::problem::Problem;

use super::Api;
use super::caller::{Caller, OptionalFields};
use super::post_fields;
use super::schema::{Done, Refusals};
use super::submit::on_like;
use crate::domain::like::LikeCommand;

/// Like a post
///
/// Any token will do; the post must be published. There is one like a person: a post that is liked already stays so. The
/// answer's id and version are those of the like.
#[utoipa::path(
    put, path = "/api/universal/post/{id}/like", tag = "likes",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = Option<String>, Header, description = "The version of the like"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    responses(Done, Refusals)
)]
pub async fn like(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(post): PathUuid,
    OptionalFields(body): OptionalFields,
) -> Result<Response, Problem> {
    post_fields::nothing(body)?;
    on_like(&api, caller, post, LikeCommand::Like).await
}

/// Take a like back
///
/// The post must be published. What is not liked stays as it is.
#[utoipa::path(
    delete, path = "/api/universal/post/{id}/like", tag = "likes",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the post"),
        ("If-Match" = Option<String>, Header, description = "The version of the like"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person and the post"),
    ),
    responses(Done, Refusals)
)]
pub async fn unlike(
    State(api): State<Api>,
    caller: Caller,
    PathUuid(post): PathUuid,
    OptionalFields(body): OptionalFields,
) -> Result<Response, Problem> {
    post_fields::nothing(body)?;
    on_like(&api, caller, post, LikeCommand::Unlike).await
}
