use axum::response::Response;
use serde_json::Value;
use service::problem::{Problem, ProblemBody};

use super::body;
use super::params::{After, SearchParams, Spelling};
use super::query::{Index, SearchError};
use super::view::{Facets, Found, Hit, SearchResults};
use crate::people::query::{Names, names};
use crate::read::ReadRequest;
use crate::store::{Moment, Store, StoreError};
use crate::viewer::Viewer;

/// Where fewer posts have the words as they were typed, those that have similar ones are found as well.
const ENOUGH_POSTS: u64 = 10;

/// Searches posts
///
/// Everything in `q` is words, and what stands between quotation marks a phrase that must be there as it is. Other forms of a word
/// count as well, and where that finds fewer than ten posts, so do words that differ by a letter or two, which are worth less.
/// Published posts are for everybody; authors find their own drafts too, editors and admins all, when `status` asks for them.
///
/// A search sees what was written about a second before; with `Groot-Min-Position` it waits for that position and sees it.
#[utoipa::path(
    get,
    path = "/api/search",
    tag = "search",
    params(
        ("q" = String, Query, description = "Words and \"phrases\", to 500 characters.", example = "state of the union"),
        ("author" = Option<Uuid>, Query, description = "Only posts of this person."),
        ("tag" = Option<String>, Query, description = "Only posts with exactly this tag.", example = "18th-century"),
        ("type" = Option<String>, Query, description = "article, note or link.", example = "article"),
        ("century" = Option<i32>, Query, description = "Only posts published in this century: 18 is 1701 to 1800.", minimum = 1, maximum = 99, example = 18),
        ("status" = Option<String>, Query, description = "draft, scheduled, published or deleted, or several with commas between; published if left out.", example = "published"),
        ("from" = Option<String>, Query, description = "Published at this time or later; a day is taken from its beginning (UTC).", example = "1790-01-01"),
        ("to" = Option<String>, Query, description = "Published at this time or earlier; a day is taken to its end (UTC).", example = "1799-12-31T23:59:59Z"),
        ("limit" = Option<u32>, Query, description = "How many hits; 10 if left out.", minimum = 1, maximum = 100, example = 10),
        ("cursor" = Option<String>, Query, description = "nextCursor of the answer before, with everything else the same."),
        ("sortBy" = Option<String>, Query, description = "relevance (if left out), publishedAt, createdAt, updatedAt or title.", example = "relevance"),
        ("sortOrder" = Option<String>, Query, description = "desc (if left out) or asc; relevance has desc alone.", example = "desc"),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "The best hits first, and what they have in common.", body = SearchResults),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or Elasticsearch does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn search(request: ReadRequest) -> Result<Response, Problem> {
    let reads = request.reads.clone();
    let (params, asked) = request.check::<SearchParams>()?;
    let viewer = asked.viewer;
    let (moment, reply) = asked.admit(&reads.search.progress).await?;
    let (mut answer, spelling) = find(&reads.search.index, moment, &params, viewer).await?;
    let total = total(&answer);
    let found: Vec<Found> = serde_json::from_value(answer["hits"]["hits"].take()).map_err(Problem::internal)?;
    let aggregations = answer["aggregations"].take();
    let people = found.iter().map(|found| found.post.author_id).chain(Facets::authors(&aggregations));
    let names = names_if_possible(&reads.store, people.collect()).await;
    let is_full = found.len() == params.limit as usize;
    let last = found.last().filter(|_| is_full);
    let next_cursor = last.map(|last| params.cursor(&After { sort: last.sort.clone(), spelling }));
    let results = SearchResults {
        data: found.into_iter().map(|found| Hit::new(found, &names)).collect(),
        limit: params.limit,
        total,
        next_cursor,
        facets: params.after.is_none().then(|| Facets::new(&aggregations, &names)),
    };
    reply.with(&results, None)
}

/// Similar words are looked for only where there is little else: that takes many times as long, and where there is much, nobody comes to
/// them. Behind a cursor the search is the one before it.
async fn find(
    index: &Index,
    moment: Option<u32>,
    params: &SearchParams,
    viewer: Viewer,
) -> Result<(Value, Spelling), SearchError> {
    let spelling = params.after.as_ref().map_or(Spelling::AsTyped, |after| after.spelling);
    let answer = index.search(moment, &body::search(params, viewer, spelling)).await?;
    let is_enough = params.words.loose.is_empty() || params.after.is_some() || total(&answer) >= ENOUGH_POSTS;
    if is_enough {
        return Ok((answer, spelling));
    }
    let similar = Spelling::Similar;
    match index.search(moment, &body::search(params, viewer, similar)).await {
        Ok(more) => Ok((more, similar)),
        Err(error) if total(&answer) > 0 => {
            tracing::warn!(error = %error, "a search is answered without similar words");
            Ok((answer, spelling))
        }
        Err(error) => Err(error),
    }
}

fn total(answer: &Value) -> u64 {
    answer["hits"]["total"]["value"].as_u64().unwrap_or_default()
}

/// Names are another store's. A search that has found something is worth more than they are.
async fn names_if_possible(store: &Store, people: Vec<uuid::Uuid>) -> Names {
    let look_up = async {
        let mut session = store.session(&Moment::default()).await?;
        names(&mut session, people).await
    };
    look_up.await.unwrap_or_else(|error: StoreError| {
        tracing::warn!(error = %error, "a search is answered without names");
        Names::new()
    })
}
