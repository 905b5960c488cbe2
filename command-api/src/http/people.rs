//! Commands on people.

use axum::extract::State;
use axum::response::Response;
use event_schema::event::AggregateKind;
use event_schema::id::PersonId;
use service::json::Fields;
use service::problem::Problem;

use super::Api;
use super::caller::Caller;
use super::post_fields::checked;
use super::schema::{Created, PersonBody, Refusals};
use super::submit::creating;
use crate::domain::person::PersonCommand;
use crate::domain::{Command, fields};

/// Create a person
///
/// Needs the role admin.
#[utoipa::path(
    post, path = "/api/users", tag = "people",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters; scope: the person who asks")),
    request_body(content = PersonBody, example = json!({ "name": "Ada Lovelace" })),
    responses(Created, Refusals)
)]
pub async fn create(State(api): State<Api>, caller: Caller, mut body: Fields) -> Result<Response, Problem> {
    let name = body.string("name").and_then(|name| checked(&mut body, fields::name(&name)));
    let name = body.finish_with(name)?;
    creating(&api, caller, AggregateKind::Person, None, |id| Command::Person {
        id: PersonId::new(id),
        command: PersonCommand::Create { name },
    })
    .await
}
