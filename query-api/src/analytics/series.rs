use axum::response::Response;
use service::params::FromParams;
use service::problem::{Problem, ProblemBody};

use super::params::{HourlyParams, SeriesParams};
use super::view::Series;
use crate::read::ReadRequest;

/// Counts events over time
///
/// By hours, days, weeks or months. What is counted are whole hours of UTC, each in the bucket in which it begins. To 2,000 buckets.
#[utoipa::path(
    get,
    path = "/api/analytics/timeseries",
    tag = "analytics",
    params(
        ("from" = Option<String>, Query, description = "From this time on; a day is taken from its beginning. As long before the end as is usual for the interval if left out: a day, 30 days, 12 weeks, a year.", example = "2026-01-01"),
        ("to" = Option<String>, Query, description = "Until before this time; a day is taken to its end. Now if left out.", example = "2026-12-31"),
        ("tz" = Option<String>, Query, description = "The time zone that days are of; UTC if left out.", example = "Europe/Berlin"),
        ("interval" = Option<String>, Query, description = "hour, day (if left out), week (from Monday) or month.", example = "day"),
        ("type" = Option<String>, Query, description = "Only events of this type.", example = "view"),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "Every bucket of the span in its order, also the empty ones.", body = Series),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or ClickHouse does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn timeseries(request: ReadRequest) -> Result<Response, Problem> {
    answer(request, |params: SeriesParams| params).await
}

/// Counts events by the hour
///
/// The same for hours of UTC alone.
#[utoipa::path(
    get,
    path = "/api/analytics/events-hourly",
    tag = "analytics",
    params(
        ("from" = Option<String>, Query, description = "From this time on; a day is taken from its beginning. A day before the end if left out.", example = "2026-01-01"),
        ("to" = Option<String>, Query, description = "Until before this time; a day is taken to its end. Now if left out.", example = "2026-12-31"),
        ("tz" = Option<String>, Query, description = "The time zone that days are of; UTC if left out.", example = "Europe/Berlin"),
        ("type" = Option<String>, Query, description = "Only events of this type.", example = "view"),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "Every hour of the span in its order, also the empty ones.", body = Series),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or ClickHouse does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn events_hourly(request: ReadRequest) -> Result<Response, Problem> {
    answer(request, |HourlyParams(params)| params).await
}

async fn answer<P: FromParams>(
    request: ReadRequest,
    series: impl FnOnce(P) -> SeriesParams,
) -> Result<Response, Problem> {
    let figures = request.reads.analytics.clone();
    let (params, asked) = request.check::<P>()?;
    let params = series(params);
    figures.answer(asked, async |tables| Ok(Series::new(&params, &tables.series(&params).await?))).await
}
