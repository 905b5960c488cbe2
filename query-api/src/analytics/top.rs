use axum::response::Response;
use service::problem::{Problem, ProblemBody};

use super::params::{CountriesParams, TopParams};
use super::query::TablesOf;
use super::view::{Countries, TopAuthors, TopPosts};
use crate::read::ReadRequest;

/// Lists the posts that were viewed most
///
/// Published ones, by views, likes and comments in the span. Views are kept for 90 days.
#[utoipa::path(
    get,
    path = "/api/analytics/top-posts",
    tag = "analytics",
    params(
        ("from" = Option<String>, Query, description = "From this time on; a day is taken from its beginning. The beginning of all if left out.", example = "2026-01-01"),
        ("to" = Option<String>, Query, description = "Until before this time; a day is taken to its end. Now if left out.", example = "2026-12-31"),
        ("tz" = Option<String>, Query, description = "The time zone that days are of; UTC if left out.", example = "Europe/Berlin"),
        ("limit" = Option<u32>, Query, description = "How many; 10 if left out.", minimum = 1, maximum = 100, example = 10),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "The most viewed first.", body = TopPosts),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or ClickHouse does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn top_posts(request: ReadRequest) -> Result<Response, Problem> {
    let figures = request.reads.analytics.clone();
    let (params, asked) = request.check::<TopParams>()?;
    let answer = async |tables: TablesOf| {
        let found = tables.top_posts(&params).await?;
        Ok(TopPosts { data: found.into_iter().map(Into::into).collect() })
    };
    figures.answer(asked, answer).await
}

/// Lists the authors that were viewed most
///
/// By views, likes and comments of their published posts in the span.
#[utoipa::path(
    get,
    path = "/api/analytics/top-authors",
    tag = "analytics",
    params(
        ("from" = Option<String>, Query, description = "From this time on; a day is taken from its beginning. The beginning of all if left out.", example = "2026-01-01"),
        ("to" = Option<String>, Query, description = "Until before this time; a day is taken to its end. Now if left out.", example = "2026-12-31"),
        ("tz" = Option<String>, Query, description = "The time zone that days are of; UTC if left out.", example = "Europe/Berlin"),
        ("limit" = Option<u32>, Query, description = "How many; 10 if left out.", minimum = 1, maximum = 100, example = 10),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "The most viewed first.", body = TopAuthors),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or ClickHouse does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn top_authors(request: ReadRequest) -> Result<Response, Problem> {
    let figures = request.reads.analytics.clone();
    let (params, asked) = request.check::<TopParams>()?;
    let answer = async |tables: TablesOf| {
        let found = tables.top_authors(&params).await?;
        Ok(TopAuthors { data: found.into_iter().map(Into::into).collect() })
    };
    figures.answer(asked, answer).await
}

/// Lists the countries that events came from
///
/// Counted by whole hours of UTC.
#[utoipa::path(
    get,
    path = "/api/analytics/countries",
    tag = "analytics",
    params(
        ("from" = Option<String>, Query, description = "From this time on; a day is taken from its beginning. The beginning of all if left out.", example = "2026-01-01"),
        ("to" = Option<String>, Query, description = "Until before this time; a day is taken to its end. Now if left out.", example = "2026-12-31"),
        ("tz" = Option<String>, Query, description = "The time zone that days are of; UTC if left out.", example = "Europe/Berlin"),
        ("type" = Option<String>, Query, description = "Only events of this type.", example = "view"),
        ("limit" = Option<u32>, Query, description = "How many; 10 if left out.", minimum = 1, maximum = 100, example = 10),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "The most frequent first.", body = Countries),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or ClickHouse does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn countries(request: ReadRequest) -> Result<Response, Problem> {
    let figures = request.reads.analytics.clone();
    let (params, asked) = request.check::<CountriesParams>()?;
    let answer = async |tables: TablesOf| {
        let found = tables.countries(&params).await?;
        Ok(Countries { data: found.into_iter().map(Into::into).collect() })
    };
    figures.answer(asked, answer).await
}
