use axum::response::Response;
use serde::Deserialize;
use service::problem::{Problem, ProblemBody};

use super::body;
use super::params::SuggestParams;
use super::view::{Suggestion, Suggestions};
use crate::read::ReadRequest;

/// Suggests titles
///
/// Published posts whose titles have words that begin with those of `q`.
#[utoipa::path(
    get,
    path = "/api/search/suggest",
    tag = "search",
    params(
        ("q" = String, Query, description = "What was typed so far.", example = "linc"),
        ("limit" = Option<u32>, Query, description = "How many; 5 if left out.", minimum = 1, maximum = 20, example = 5),
    ),
    responses(
        (status = 200, description = "The best first; none for nothing.", body = Suggestions),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Elasticsearch does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn suggest(request: ReadRequest) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Found {
        #[serde(rename = "_source")]
        suggestion: Suggestion,
    }
    let reads = request.reads.clone();
    let (params, asked) = request.check::<SuggestParams>()?;
    let (moment, reply) = asked.admit(&reads.search.progress).await?;
    let mut answer = reads.search.index.search(moment, &body::suggest(&params)).await?;
    let found: Vec<Found> = serde_json::from_value(answer["hits"]["hits"].take()).map_err(Problem::internal)?;
    reply.with(&Suggestions { data: found.into_iter().map(|found| found.suggestion).collect() }, None)
}
