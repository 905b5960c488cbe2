//! Which posts a search may find: those that were asked for and that the viewer may see.

use read_model::PostStatus;
use serde_json::{Value, json};

use super::params::SearchParams;
use crate::viewer::Viewer;

/// Every one of these must hold.
pub fn filters(params: &SearchParams, viewer: Viewer) -> Vec<Value> {
    let filters = &params.filters;
    let mut all = vec![json!({ "terms": { "status": filters.statuses } })];
    all.extend(seen_by(viewer));
    let mut is = |field: &str, value: Option<Value>| {
        all.extend(value.map(|value| json!({ "term": { field: value } })));
    };
    is("authorId", filters.author.map(|author| json!(author)));
    is("tags", filters.tag.as_ref().map(|tag| json!(tag)));
    is("type", filters.post_type.map(|kind| json!(kind)));
    is("century", params.century.map(|century| json!(century)));
    if filters.from.is_some() || filters.to.is_some() {
        all.push(json!({ "range": { "publishedAt": { "gte": filters.from, "lte": filters.to } } }));
    }
    all
}

/// Published posts are for everybody, the others for those who may write them.
fn seen_by(viewer: Viewer) -> Option<Value> {
    match viewer {
        Viewer::Editor => None,
        Viewer::Author(own) => Some(json!({ "bool": { "should": [published(), { "term": { "authorId": own } }] } })),
        Viewer::Public => Some(published()),
    }
}

/// What everybody may see.
pub fn published() -> Value {
    json!({ "term": { "status": PostStatus::Published } })
}
