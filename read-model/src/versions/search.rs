//! The versions of the search index, in Elasticsearch.

use serde_json::json;

use super::Versions;
use crate::SEARCH;
use crate::search::{Elasticsearch, ElasticsearchError, SearchNames};

/// What is stored, or what holds where nothing is.
pub async fn load(elasticsearch: &Elasticsearch, names: &SearchNames) -> Result<Versions, ElasticsearchError> {
    let Some(mut found) = elasticsearch.get(&format!("{}/_doc/{}", names.checkpoints(), SEARCH.name)).await? else {
        return Ok(Versions::default());
    };
    serde_json::from_value(found["_source"].take()).map_err(|error| ElasticsearchError::Refused {
        status: 200,
        kind: "versions".to_owned(),
        reason: format!("what is stored of the versions cannot be read: {error}"),
    })
}

/// Replaces the revision before. False if that is not there any more: somebody else was faster.
///
/// The alias by which people find the posts is moved after that. Readers of ours go by what is stored here.
pub async fn replace(
    elasticsearch: &Elasticsearch,
    names: &SearchNames,
    versions: &Versions,
) -> Result<bool, ElasticsearchError> {
    // Elasticsearch takes a document of a given version only in the place of an older one.
    let path = format!("{}/_doc/{}?version={}&version_type=external", names.checkpoints(), SEARCH.name, versions.rev);
    match elasticsearch.put(&path, &json!(versions)).await {
        Ok(_) => {}
        Err(ElasticsearchError::Refused { kind, .. }) if kind == "version_conflict_engine_exception" => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    point_alias(elasticsearch, &names.in_version(versions.live)).await?;
    Ok(true)
}

/// Lets the alias name the posts of this version and no others.
pub(crate) async fn point_alias(elasticsearch: &Elasticsearch, names: &SearchNames) -> Result<(), ElasticsearchError> {
    let (alias, posts) = (names.posts_alias(), names.posts());
    let pointed = elasticsearch.get(&format!("_alias/{alias}")).await?.unwrap_or_default();
    let pointed: Vec<&String> = pointed.as_object().map(|indexes| indexes.keys().collect()).unwrap_or_default();
    if pointed == [&posts] {
        return Ok(());
    }
    let remove = pointed.iter().map(|index| json!({ "remove": { "index": index, "alias": alias } }));
    let add = json!({ "add": { "index": posts, "alias": alias } });
    let actions: Vec<_> = remove.chain([add]).collect();
    elasticsearch.post("_aliases", &json!({ "actions": actions })).await.map(drop)
}
