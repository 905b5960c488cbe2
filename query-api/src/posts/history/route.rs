use axum::response::Response;
use chrono::{DateTime, Utc};
use read_model::PostEventDoc;
use serde::Serialize;
use service::problem::{Problem, ProblemBody};
use utoipa::ToSchema;

use super::query::events;
use crate::page::Page;
use crate::path::Segment;
use crate::posts::by_id::query::visible_post;
use crate::read::ReadRequest;

/// One page of a post's events, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryPage {
    pub data: Vec<EventView>,
    #[schema(example = 1)]
    pub page: u32,
    #[schema(example = 10)]
    pub limit: u32,
    #[schema(example = 2)]
    pub total: u64,
    #[schema(example = 1)]
    pub total_pages: u64,
}

/// Something that happened to a post.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// The version that the post has since then.
    #[schema(example = 1)]
    pub version: u64,
    #[serde(rename = "type")]
    #[schema(example = "groot.post.PostCreated")]
    pub event_type: String,
    pub time: DateTime<Utc>,
    /// Who did it.
    #[schema(example = "0199a3bf-1c2d-7e3f-8a4b-5c6d7e8f9a0b")]
    pub actor: Option<String>,
    /// The event's own fields.
    #[schema(value_type = Object, example = json!({"title": "George Washington, 1790"}))]
    pub data: serde_json::Value,
}

impl From<PostEventDoc> for EventView {
    fn from(event: PostEventDoc) -> Self {
        Self {
            version: event.version,
            event_type: event.event_type,
            time: event.time,
            actor: event.actor,
            data: event.data,
        }
    }
}

/// Reads the history of a post
///
/// Every event of the post from its creation on, for those who may see the post itself.
#[utoipa::path(
    get,
    path = "/api/universal/post/{id}/history",
    tag = "posts",
    params(
        ("id" = String, Path, description = "The id of the post or its slug.", example = "george-washington-1790-6c1d2e3f"),
        ("page" = Option<u32>, Query, description = "Counted from 1; page x limit is at most 10,000.", minimum = 1, example = 1),
        ("limit" = Option<u32>, Query, description = "How many events; 10 if left out.", minimum = 1, maximum = 100, example = 10),
        ("Groot-Min-Position" = Option<String>, Header, description = "Position tokens, up to 100 with commas between, that the answer must reflect."),
        ("Prefer" = Option<String>, Header, description = "wait=<seconds>, 0 to 10: how long to wait for that position; 2 if left out.", example = "wait=2"),
        ("Groot-Stale" = Option<String>, Header, description = "allow: rather an answer that does not reflect the position, marked Groot-Stale: true, than 503."),
    ),
    responses(
        (status = 200, description = "A page of events.", body = HistoryPage),
        (status = 304, description = "Unchanged since the ETag in If-None-Match."),
        (status = 400, description = "Bad parameters or headers, each named.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "A token that is not valid.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such post, or none that the caller may see.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "Deleted, said only to those who may restore it.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The projection is behind or MongoDB does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn history(Segment(id_or_slug): Segment, request: ReadRequest) -> Result<Response, Problem> {
    let (page, mut read) = request.open::<Page>().await?;
    let post = visible_post(&mut read.session, &id_or_slug, read.viewer).await?;
    let (events, total) = events(&mut read.session, post.id, page).await?;
    let body = HistoryPage {
        data: events.into_iter().map(EventView::from).collect(),
        page: page.number,
        limit: page.limit,
        total,
        total_pages: page.count(total),
    };
    read.answer_at(&body, post.version, post.partition, post.offset).await
}
