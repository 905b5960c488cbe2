//! What a projection has stored, stored again in the plainest way: the floors of projections. Afterwards both are removed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clickhouse::{RowOwned, RowRead, RowWrite};
use futures::{StreamExt, TryStreamExt};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use read_model::analytics::rows::{EventRow, PostRow};
use read_model::analytics::{AnalyticsNames, Clickhouse, ClickhouseAddress};
use read_model::search::{Elasticsearch, ElasticsearchError, SearchNames, ensure as ensure_indexes};
use read_model::{ANALYTICS, DOCUMENTS};
use serde_json::{Value, json};

/// Over which documents are inserted: two for each core of a small machine.
pub const CONNECTIONS: usize = 4;
/// Documents of one `insert_many`, and rows of one insert: as many as a projector's batch may hold at the most.
const AT_ONCE: usize = 10_000;
/// Documents of one bulk request.
const BULK: usize = 500;
const PAUSE: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(120);

/// Seconds for the posts and their history of a version with `insert_many`.
pub async fn mongodb(uri: &str, database: &str, version: u32) -> Result<f64> {
    let database = mongodb::Client::with_uri_str(uri).await?.database(database);
    let mut seconds = 0.0;
    let names = DOCUMENTS.in_version(version);
    for stored in [names.posts(), names.post_events()] {
        let stored = stored.as_str();
        let documents: Vec<RawDocumentBuf> = database.collection(stored).find(doc! {}).await?.try_collect().await?;
        ensure!(!documents.is_empty(), "{stored} is empty");
        // The same indexes as the ones that the projection has to keep.
        let floor = database.collection::<RawDocumentBuf>(&format!("floor_{stored}"));
        let indexes: Vec<_> = database.collection::<Document>(stored).list_indexes().await?.try_collect().await?;
        let indexes = indexes.into_iter().filter(|index| index.keys != doc! { "_id": 1 });
        floor.create_indexes(indexes).await?;
        let begin = Instant::now();
        let inserts = documents.chunks(AT_ONCE).map(|some| floor.insert_many(some).into_future());
        futures::stream::iter(inserts).buffer_unordered(CONNECTIONS).try_collect::<Vec<_>>().await?;
        seconds += begin.elapsed().as_secs_f64();
    }
    database.drop().await?;
    Ok(seconds)
}

/// Seconds for the posts of a version with `_bulk`, into an index that is made in the same way.
pub async fn elasticsearch(url: &str, prefix: &str, version: u32) -> Result<f64> {
    let elasticsearch = Elasticsearch::new(url, LIMIT)?;
    let (stored, floor) = (SearchNames::new(prefix).in_version(version), SearchNames::new(&format!("{prefix}-floor")));
    elasticsearch.refresh(&stored.posts()).await?;
    let mut query = json!({ "size": BULK, "query": { "match_all": {} }, "sort": [{ "id": "asc" }] });
    let mut bodies = Vec::new();
    loop {
        let mut answer = elasticsearch.post(&format!("{}/_search", stored.posts()), &query).await?;
        let Value::Array(hits) = answer["hits"]["hits"].take() else { break };
        let Some(last) = hits.last() else { break };
        query["search_after"] = last["sort"].clone();
        let line = |hit: &Value| format!("{}\n{}\n", json!({ "index": { "_id": hit["_id"] } }), hit["_source"]);
        bodies.push(hits.iter().map(line).collect::<String>().into_bytes());
    }
    ensure!(!bodies.is_empty(), "{} is empty", stored.posts());
    ensure_indexes(&elasticsearch, &floor).await?;
    let path = format!("{}/_bulk", floor.posts());
    let begin = Instant::now();
    let bulks = bodies.into_iter().map(|body| bulk(&elasticsearch, &path, body));
    futures::stream::iter(bulks).buffer_unordered(CONNECTIONS).try_collect::<Vec<_>>().await?;
    let seconds = begin.elapsed().as_secs_f64();
    for index in stored.indexes().iter().chain(&floor.indexes()) {
        elasticsearch.delete(index).await?;
    }
    Ok(seconds)
}

/// A server that has no room for it at the moment (429) gets it again.
async fn bulk(elasticsearch: &Elasticsearch, path: &str, body: Vec<u8>) -> Result<()> {
    loop {
        match elasticsearch.lines(path, body.clone()).await {
            Ok(answer) => {
                ensure!(answer["errors"] == false, "a document was refused");
                return Ok(());
            }
            Err(ElasticsearchError::Unavailable(_)) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Seconds for the rows of events and posts of a version as RowBinary, into tables of the same kind that no view reads.
pub async fn clickhouse(address: &ClickhouseAddress, version: u32) -> Result<f64> {
    let names = AnalyticsNames::of(ANALYTICS.in_version(version));
    let first = Clickhouse::new(address, LIMIT);
    let clickhouse = first.of_version(names);
    let (event_rows, post_rows) = (names.events(), names.posts());
    let seconds =
        insert::<EventRow>(&clickhouse, &event_rows).await? + insert::<PostRow>(&clickhouse, &post_rows).await?;
    clickhouse.drop_database().await?;
    first.drop_database().await?;
    Ok(seconds)
}

async fn insert<T: RowOwned + RowRead + RowWrite + Sync>(clickhouse: &Clickhouse, table: &str) -> Result<f64> {
    let rows: Vec<T> = clickhouse.rows(clickhouse.query(&format!("SELECT ?fields FROM {table}"))).await?;
    ensure!(!rows.is_empty(), "{table} is empty");
    let rows: Vec<&T> = rows.iter().collect();
    let floor = format!("floor_{table}");
    clickhouse.run(&format!("CREATE TABLE {floor} AS {table}")).await?;
    let begin = Instant::now();
    let inserts = rows.chunks(AT_ONCE).enumerate().map(|(number, some)| {
        let (clickhouse, floor) = (clickhouse.clone(), floor.clone());
        async move { clickhouse.insert(&floor, &format!("floor {number}"), some).await }
    });
    futures::stream::iter(inserts).buffer_unordered(CONNECTIONS).try_collect::<Vec<_>>().await?;
    Ok(begin.elapsed().as_secs_f64())
}
