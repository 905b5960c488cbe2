//! What a projection has stored, stored again in the plainest way: the floors of projections. Afterwards both are removed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clickhouse::sql::Identifier;
use clickhouse::{Row, RowOwned, RowRead, RowWrite};
use futures::{StreamExt, TryStreamExt};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use read_model::analytics::rows::{EventRow, PostRow};
use read_model::analytics::{AnalyticsNames, Clickhouse, ClickhouseAddress};
use read_model::search::{Elasticsearch, ElasticsearchError, SearchNames, ensure as ensure_indexes};
use read_model::{ANALYTICS, DOCUMENTS};
use serde::Deserialize;
use serde_json::{Value, json};

/// Over which documents are inserted: two for each core of a small machine.
pub const CONNECTIONS: usize = 4;
/// Documents of one `insert_many`, and rows of one insert: as many as a projector's batch may hold at the most.
const AT_ONCE: usize = 10_000;
/// Documents and rows that are held at a time: one insert for each connection. What a floor takes of memory does not grow with the log.
const HELD: usize = CONNECTIONS * AT_ONCE;
/// Documents of one bulk request.
const BULK: usize = 500;
const PAUSE: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(120);

/// Seconds for the posts of a version, their history and their slugs with `insert_many`.
pub async fn mongodb(uri: &str, database: &str, version: u32) -> Result<f64> {
    let database = mongodb::Client::with_uri_str(uri).await?.database(database);
    let mut seconds = 0.0;
    let names = DOCUMENTS.in_version(version);
    for stored in [names.posts(), names.post_events(), names.slugs()] {
        let stored = stored.as_str();
        // The same indexes as the ones that the projection has to keep.
        let floor = database.collection::<RawDocumentBuf>(&format!("floor_{stored}"));
        let indexes: Vec<_> = database.collection::<Document>(stored).list_indexes().await?.try_collect().await?;
        let indexes: Vec<_> = indexes.into_iter().filter(|index| index.keys != doc! { "_id": 1 }).collect();
        if !indexes.is_empty() {
            floor.create_indexes(indexes).await?;
        }
        let documents = database.collection::<RawDocumentBuf>(stored).find(doc! {}).await?;
        let mut documents = documents.map_err(anyhow::Error::from).try_chunks(HELD);
        let mut took = None;
        while let Some(some) = documents.try_next().await? {
            let inserts = some.chunks(AT_ONCE).map(|some| floor.insert_many(some).into_future());
            *took.get_or_insert(0.0) += seconds_of(inserts).await?;
        }
        seconds += took.with_context(|| format!("{stored} is empty"))?;
    }
    database.drop().await?;
    Ok(seconds)
}

/// Seconds for the posts of a version with `_bulk`, into an index that is made in the same way.
pub async fn elasticsearch(url: &str, prefix: &str, version: u32) -> Result<f64> {
    let elasticsearch = Elasticsearch::new(url, LIMIT)?;
    let (stored, floor) = (SearchNames::new(prefix).in_version(version), SearchNames::new(&format!("{prefix}-floor")));
    elasticsearch.refresh(&stored.posts()).await?;
    ensure_indexes(&elasticsearch, &floor).await?;
    let path = format!("{}/_bulk", floor.posts());
    let mut query = json!({ "size": BULK, "query": { "match_all": {} }, "sort": [{ "id": "asc" }] });
    let (mut seconds, mut bodies) = (0.0, Vec::new());
    loop {
        let mut answer = elasticsearch.post(&format!("{}/_search", stored.posts()), &query).await?;
        let hits = match answer["hits"]["hits"].take() {
            Value::Array(hits) => hits,
            _ => Vec::new(),
        };
        if hits.is_empty() || bodies.len() * BULK >= HELD {
            let bulks = std::mem::take(&mut bodies).into_iter().map(|body| bulk(&elasticsearch, &path, body));
            seconds += seconds_of(bulks).await?;
        }
        let Some(last) = hits.last() else { break };
        query["search_after"] = last["sort"].clone();
        let line = |hit: &Value| format!("{}\n{}\n", json!({ "index": { "_id": hit["_id"] } }), hit["_source"]);
        bodies.push(hits.iter().map(line).collect::<String>().into_bytes());
    }
    ensure!(query.get("search_after").is_some(), "{} is empty", stored.posts());
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

/// Seconds for the rows of events and posts of a version as RowBinary, into tables of the same kind: a view makes the statistics of the events
/// as it does of those that the projection inserts.
pub async fn clickhouse(address: &ClickhouseAddress, version: u32) -> Result<f64> {
    let names = AnalyticsNames::of(ANALYTICS.in_version(version));
    let first = Clickhouse::new(address, LIMIT);
    let clickhouse = first.of_version(names);
    let (event_rows, post_rows) = (names.events(), names.posts());
    for table in [&event_rows, &post_rows, &names.hourly()] {
        clickhouse.run(&format!("CREATE TABLE floor_{table} AS {table}")).await?;
    }
    let view = "SELECT as_select AS text FROM system.tables WHERE database = currentDatabase() AND name = ?";
    let view: Vec<Text> = clickhouse.rows(clickhouse.query(view).bind(names.to_hourly())).await?;
    let [Text { text }] = &view[..] else { bail!("the view {} is not there", names.to_hourly()) };
    let text = text.replace(&event_rows, &format!("floor_{event_rows}"));
    clickhouse.run(&format!("CREATE MATERIALIZED VIEW floor TO floor_{} AS {text}", names.hourly())).await?;
    let seconds = insert::<EventRow>(&clickhouse, &event_rows, "offset").await?
        + insert::<PostRow>(&clickhouse, &post_rows, "id").await?;
    clickhouse.drop_database().await?;
    first.drop_database().await?;
    Ok(seconds)
}

#[derive(Row, Deserialize)]
struct Text {
    text: String,
}

/// Row by row in shares of about as many as are held, which the values of a column tell apart.
async fn insert<T>(clickhouse: &Clickhouse, table: &str, column: &str) -> Result<f64>
where
    T: RowOwned + RowRead + RowWrite + Sync,
{
    #[derive(Row, Deserialize)]
    struct Count {
        rows: u64,
    }
    let count = clickhouse.query("SELECT count() FROM ?").bind(Identifier(table));
    let count: Vec<Count> = clickhouse.rows(count).await?;
    let count = count.first().map_or(0, |count| count.rows);
    ensure!(count > 0, "{table} is empty");
    let floor = format!("floor_{table}");
    let shares = count.div_ceil(HELD as u64);
    let mut seconds = 0.0;
    for share in 0..shares {
        let query = clickhouse.query("SELECT ?fields FROM ? WHERE cityHash64(?) % ? = ?");
        let query = query.bind(Identifier(table)).bind(Identifier(column)).bind(shares).bind(share);
        let rows: Vec<T> = clickhouse.rows(query).await?;
        let rows: Vec<&T> = rows.iter().collect();
        let inserts = rows.chunks(AT_ONCE).enumerate().map(|(number, some)| {
            let (clickhouse, floor) = (clickhouse.clone(), floor.clone());
            async move { clickhouse.insert(&floor, &format!("floor {share} {number}"), some).await }
        });
        seconds += seconds_of(inserts).await?;
    }
    Ok(seconds)
}

/// How long inserts take that go out over all connections.
async fn seconds_of<T, E, F>(inserts: impl Iterator<Item = F>) -> Result<f64>
where
    F: Future<Output = Result<T, E>>,
    E: Into<anyhow::Error>,
{
    let begin = Instant::now();
    futures::stream::iter(inserts)
        .buffer_unordered(CONNECTIONS)
        .try_for_each(async |_| Ok(()))
        .await
        .map_err(Into::into)?;
    Ok(begin.elapsed().as_secs_f64())
}
