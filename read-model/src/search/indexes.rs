//! The indexes, with every field named: nothing is guessed from the first document that comes.

use serde_json::{Value, json};

use super::connection::{Elasticsearch, ElasticsearchError};
use super::names::SearchNames;
use crate::versions;

/// Longer words cannot be a term in Lucene.
const LONGEST_KEYWORD: u32 = 8_000;
/// Texts to this many characters are highlighted whole: the longest content and more.
const HIGHLIGHTED: u32 = 2_000_000;

/// Creates the indexes that are missing, lets the alias name the version that is live if it is this one, and changes nothing else. May
/// run at every start and by several processes at once.
pub async fn ensure(elasticsearch: &Elasticsearch, names: &SearchNames) -> Result<(), ElasticsearchError> {
    create(elasticsearch, &names.checkpoints(), &kept_only()).await?;
    create(elasticsearch, &names.dead_letters(), &dead_letters()).await?;
    create(elasticsearch, &names.posts(), &posts()).await?;
    if versions::search::load(elasticsearch, names).await?.live == names.projection().version {
        versions::search::point_alias(elasticsearch, names).await?;
    }
    Ok(())
}

async fn create(elasticsearch: &Elasticsearch, index: &str, body: &Value) -> Result<(), ElasticsearchError> {
    match elasticsearch.put(index, body).await {
        Err(ElasticsearchError::Refused { kind, .. }) if kind == "resource_already_exists_exception" => Ok(()),
        other => other.map(drop),
    }
}

/// Documents that are found by their ids alone.
fn kept_only() -> Value {
    json!({
        "settings": settings(json!({})),
        "mappings": { "enabled": false },
    })
}

fn dead_letters() -> Value {
    json!({
        "settings": settings(json!({})),
        "mappings": { "dynamic": "strict", "properties": {
            "partition": { "type": "integer" },
            "offset": { "type": "long" },
            "key": { "type": "keyword" },
            "standing": { "type": "keyword" },
            // The letter itself, which nobody searches in.
            "letter": { "type": "object", "enabled": false },
        } },
    })
}

/// What posts are found by. `english` finds other forms of a word as well, `exact` that form alone; what is typed of a title so
/// far finds it by `suggest`.
fn posts() -> Value {
    let keyword = json!({ "type": "keyword", "ignore_above": LONGEST_KEYWORD });
    let text = json!({
        "type": "text", "analyzer": "english", "index_options": "offsets",
        "fields": { "exact": { "type": "text", "analyzer": "exact", "index_options": "offsets" } },
    });
    let analysis = json!({ "analysis": {
        "filter": {
            "beginnings": { "type": "edge_ngram", "min_gram": 1, "max_gram": 20 },
        },
        "analyzer": {
            "exact": { "type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding"] },
            "beginnings": {
                "type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding", "beginnings"],
            },
        },
        "normalizer": {
            "folded": { "type": "custom", "filter": ["lowercase", "asciifolding"] },
        },
    } });
    json!({
        "settings": settings(analysis),
        "mappings": { "dynamic": "strict", "properties": {
            "id": keyword,
            "type": keyword,
            "title": {
                "type": "text", "analyzer": "english", "index_options": "offsets",
                "fields": {
                    "exact": { "type": "text", "analyzer": "exact", "index_options": "offsets" },
                    "suggest": { "type": "text", "analyzer": "beginnings", "search_analyzer": "exact" },
                    "sort": { "type": "keyword", "normalizer": "folded", "ignore_above": LONGEST_KEYWORD },
                },
            },
            "text": text,
            "excerpt": text,
            "tags": { "type": "keyword", "fields": { "words": { "type": "text", "analyzer": "english" } } },
            "category": { "type": "keyword", "ignore_above": LONGEST_KEYWORD },
            "media": { "type": "keyword", "index": false, "doc_values": false },
            "status": keyword,
            "authorId": keyword,
            "slug": keyword,
            "createdAt": { "type": "date" },
            "updatedAt": { "type": "date" },
            "publishedAt": { "type": "date" },
            "scheduledAt": { "type": "date" },
            "deletedAt": { "type": "date" },
            "century": { "type": "integer" },
            "version": { "type": "long", "index": false },
            "partition": { "type": "integer", "index": false },
            "offset": { "type": "long", "index": false },
        } },
    })
}

/// Stated, so that an index which nobody has searched for a while is refreshed all the same. A shard of its own has one copy where
/// there is another node, and needs none where there is not.
fn settings(analysis: Value) -> Value {
    let mut settings = json!({
        "number_of_shards": 1,
        "auto_expand_replicas": "0-1",
        "refresh_interval": "1s",
        "highlight.max_analyzed_offset": HIGHLIGHTED,
    });
    if let (Some(settings), Value::Object(analysis)) = (settings.as_object_mut(), analysis) {
        settings.extend(analysis);
    }
    settings
}
