use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde::Serialize;
use service::auth::{Authenticated, Permission};
use service::problem::{Problem, ProblemBody};
use utoipa::ToSchema;

use super::query::ProjectionView;
use crate::read::Reads;

/// How the projections are doing.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectionList {
    pub data: Vec<ProjectionView>,
    /// Projectors that did not say, by their addresses: what they have is missing above.
    #[schema(example = json!([]))]
    pub unreachable: Vec<String>,
}

/// Tells how the projections are doing
///
/// How far each is behind the log, partition by partition, and what is parked. For editors and admins.
#[utoipa::path(
    get,
    path = "/api/projections",
    tag = "projections",
    responses(
        (status = 200, description = "As the projectors say just now.", body = ProjectionList),
        (status = 401, description = "No token, or one that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Neither an editor nor an admin.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub async fn list(
    State(reads): State<Reads>,
    Authenticated(actor): Authenticated,
) -> Result<impl IntoResponse, Problem> {
    if !actor.may(Permission::ReadAnyPost) {
        return Err(Problem::forbidden("Only editors and admins see how the projections are doing."));
    }
    let (data, unreachable) = reads.projectors.ask().await;
    Ok(([(CACHE_CONTROL, "no-store")], Json(ProjectionList { data, unreachable })))
}
