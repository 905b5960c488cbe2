//! Everything that the store holds of the projection, for comparing it with an independent fold.

use std::collections::{BTreeMap, BTreeSet};

use read_model::search::{Elasticsearch, ElasticsearchError, SearchNames, SearchPost};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::verdict::some_at_a_time;

const AT_ONCE: usize = 500;

/// Reads all posts, whole, into memory.
pub async fn read_all(
    elasticsearch: &Elasticsearch,
    names: &SearchNames,
) -> Result<BTreeMap<Uuid, SearchPost>, ElasticsearchError> {
    read(elasticsearch, names, json!({ "match_all": {} })).await
}

/// Reads the posts that stand in one partition, into memory.
pub async fn read_partition(
    elasticsearch: &Elasticsearch,
    names: &SearchNames,
    partition: u32,
) -> Result<BTreeMap<Uuid, SearchPost>, ElasticsearchError> {
    // It has no index of its own and is looked up in doc values, document by document.
    read(elasticsearch, names, json!({ "term": { "partition": partition } })).await
}

/// Reads some posts, into memory.
pub async fn read_keys(
    elasticsearch: &Elasticsearch,
    names: &SearchNames,
    keys: &BTreeSet<Uuid>,
) -> Result<BTreeMap<Uuid, SearchPost>, ElasticsearchError> {
    let mut all = BTreeMap::new();
    for keys in some_at_a_time(keys) {
        all.extend(read(elasticsearch, names, json!({ "ids": { "values": keys } })).await?);
    }
    Ok(all)
}

async fn read(
    elasticsearch: &Elasticsearch,
    names: &SearchNames,
    which: Value,
) -> Result<BTreeMap<Uuid, SearchPost>, ElasticsearchError> {
    elasticsearch.refresh(&names.posts()).await?;
    let query = json!({ "query": which, "sort": [{ "id": "asc" }] });
    let found = walk(elasticsearch, &names.posts(), query).await?;
    let read = |source: Value| {
        let post: SearchPost = serde_json::from_value(source)
            .map_err(|error| ElasticsearchError::Unavailable(format!("a post cannot be read: {error}")))?;
        Ok((post.id, post))
    };
    found.into_iter().map(read).collect()
}

/// All that a query finds, which sorts by something that no two have in common.
pub(super) async fn walk(
    elasticsearch: &Elasticsearch,
    index: &str,
    mut query: Value,
) -> Result<Vec<Value>, ElasticsearchError> {
    let mut found = Vec::new();
    query["size"] = AT_ONCE.into();
    loop {
        let mut answer = elasticsearch.post(&format!("{index}/_search"), &query).await?;
        let Value::Array(hits) = answer["hits"]["hits"].take() else { return Ok(found) };
        let Some(last) = hits.last() else { return Ok(found) };
        query["search_after"] = last["sort"].clone();
        found.extend(hits.into_iter().map(|mut hit| hit["_source"].take()));
    }
}
