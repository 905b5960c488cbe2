use axum::response::Response;
use chrono::Utc;
use service::problem::{Problem, ProblemBody};

use super::params::OverviewParams;
use super::view::Overview;
use crate::read::ReadRequest;

/// Sums up
///
/// Posts and authors as they are now; the rest of the span. Views and events are counted by whole hours of UTC.
#[utoipa::path(
    get,
    path = "/api/analytics/overview",
    tag = "analytics",
    params(
        ("from" = Option<String>, Query, description = "From this time on; a day is taken from its beginning. The beginning of all if left out.", example = "2026-01-01"),
        ("to" = Option<String>, Query, description = "Until before this time; a day is taken to its end. Now if left out.", example = "2026-12-31"),
        ("tz" = Option<String>, Query, description = "The time zone that days are of; UTC if left out.", example = "Europe/Berlin"),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "The figures.", body = Overview),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or ClickHouse does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn overview(request: ReadRequest) -> Result<Response, Problem> {
    let figures = request.reads.analytics.clone();
    let (params, asked) = request.check::<OverviewParams>()?;
    figures.answer(asked, async |tables| Ok(Overview::from(tables.totals(params.span, Utc::now()).await?))).await
}
