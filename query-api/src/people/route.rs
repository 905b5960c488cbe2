use axum::response::Response;
use serde::Serialize;
use service::problem::{Problem, ProblemBody};
use utoipa::ToSchema;
use uuid::Uuid;

use super::query::person;
use crate::path::{self, Segment};
use crate::read::ReadRequest;

/// A person with an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonView {
    #[schema(example = "0199a3bf-1c2d-7e3f-8a4b-5c6d7e8f9a0b")]
    pub id: Uuid,
    #[schema(example = "George Washington")]
    pub name: String,
}

/// Reads a person
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    tag = "people",
    params(
        ("id" = String, Path, description = "The id of the person.", example = "0199a3bf-1c2d-7e3f-8a4b-5c6d7e8f9a0b"),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "The person.", body = PersonView),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Nobody with this id has an account.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or MongoDB does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn by_id(Segment(id): Segment, request: ReadRequest) -> Result<Response, Problem> {
    let ((), mut read) = request.open().await?;
    let found = match path::id(&id) {
        Some(id) => person(&mut read.session, id).await?,
        None => None,
    };
    let person = found.ok_or_else(|| Problem::not_found("Nobody with this id has an account."))?;
    let view = PersonView { id: person.id, name: person.name };
    read.answer_at(&view, person.version, person.partition, person.offset).await
}
