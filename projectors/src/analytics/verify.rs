//! What the tables hold, beside what the events of the log lead to.

use std::collections::BTreeMap;

use clickhouse::Row;
use read_model::analytics::rows::{AuthorRow, EventRow, Id, Millis, SOURCE_EVENTS};
use read_model::analytics::{Clickhouse, ClickhouseError};
use serde::Deserialize;
use uuid::Uuid;

use crate::analytics::fold::{Analytics, Post, Response, place};
use crate::analytics::write::Store;
use crate::projection::StoreFailure;
use crate::verdict::{Only, Verdict};

/// The facts of all partitions.
#[derive(Clone, Debug, Default, PartialEq)]
struct Facts {
    posts: BTreeMap<Uuid, Post>,
    authors: BTreeMap<Uuid, AuthorRow>,
    responses: BTreeMap<Uuid, Response>,
    /// Of each by its id, the offset of the last event that is in it, plus one.
    versions: BTreeMap<Uuid, u64>,
}

#[derive(Row, Deserialize)]
struct PostNow {
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    title: String,
    post_type: String,
    slug: String,
    status: String,
    author_id: Id,
    published_at: Option<Millis>,
    created_at: Millis,
    version: u64,
}

#[derive(Row, Deserialize)]
struct ResponseNow {
    #[serde(with = "clickhouse::serde::uuid")]
    post_id: Uuid,
    kind: String,
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    stands: bool,
    first_at: Millis,
    version: u64,
}

impl Store {
    /// Compares the rows of a partition before `end`, which the store must have come to, with its events. Rows of before `since` may be
    /// gone by themselves and are left out.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn verify_events(
        &self,
        partition: u32,
        expected: &Analytics,
        end: u64,
        since: Millis,
        only: Only<'_>,
    ) -> Result<Verdict, StoreFailure> {
        let stored = events_of(&self.clickhouse, partition, end, since).await?;
        Ok(judge_events(&stored, expected, since, only))
    }

    /// Compares the facts of all partitions with what the events before their ends lead to. `end_of` gives the end of the partition
    /// that a root is in.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn verify_facts(
        &self,
        expected: &Analytics,
        end_of: impl Fn(Uuid) -> u64,
        only: Only<'_>,
    ) -> Result<Verdict, StoreFailure> {
        Ok(judge_facts(&facts(&self.clickhouse).await?, expected, end_of, only))
    }

    /// How many hours the statistics count differently from the rows, of those whose rows are all there still.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn hours_that_differ(&self, since: Millis) -> Result<u64, StoreFailure> {
        Ok(hours_that_differ(&self.clickhouse, since).await?)
    }
}

/// The rows of the events of one partition from some time on: older ones may go by themselves.
async fn events_of(
    clickhouse: &Clickhouse,
    partition: u32,
    end: u64,
    since: Millis,
) -> Result<BTreeMap<String, Vec<EventRow>>, ClickhouseError> {
    let statement = "SELECT timestamp, user_id, event_type, aggregate_id, post_id, properties, session_id, ip_address, user_agent, \
                     country, region, source, partition, offset \
                     FROM events_analytics WHERE source = ? AND partition = ? AND offset < ? \
                     AND timestamp >= fromUnixTimestamp64Milli(?)";
    let query = clickhouse.query(statement).bind(SOURCE_EVENTS).bind(partition).bind(end).bind(since.0);
    let mut events = BTreeMap::<String, Vec<EventRow>>::new();
    for row in clickhouse.rows::<EventRow>(query).await? {
        events.entry(place(&row.source, row.partition, row.offset)).or_default().push(row);
    }
    Ok(events)
}

/// Reads all facts.
async fn facts(clickhouse: &Clickhouse) -> Result<Facts, ClickhouseError> {
    let mut facts = Facts::default();
    let posts = "SELECT p.id AS id, title, post_type, slug, status, author_id, published_at, created_at, version FROM posts AS p \
                 JOIN (SELECT id, greatest(tupleElement(max(title), 1), tupleElement(max(post_type), 1), \
                     tupleElement(max(slug), 1), tupleElement(max(status), 1), tupleElement(max(author_id), 1), \
                     tupleElement(max(published_at), 1), tupleElement(max(created_at), 1)) AS version \
                     FROM posts_v1 GROUP BY id) AS v ON v.id = p.id";
    for row in clickhouse.rows::<PostNow>(clickhouse.query(posts)).await? {
        let PostNow { id, title, post_type, slug, status, author_id, published_at, created_at, version } = row;
        let post = Post { title, post_type, slug, status, author_id: author_id.0, published_at, created_at };
        facts.posts.insert(id, post);
        facts.versions.insert(id, version);
    }
    let authors = "SELECT id, name, created_at, version FROM authors";
    for row in clickhouse.rows::<AuthorRow>(clickhouse.query(authors)).await? {
        facts.versions.insert(row.id, row.version);
        facts.authors.insert(row.id, row);
    }
    let responses = "SELECT post_id, kind, id, tupleElement(max(stands), 2) AS still, min(first_at) AS first_at, \
                     tupleElement(max(stands), 1) AS version FROM responses_v1 GROUP BY post_id, kind, id";
    for row in clickhouse.rows::<ResponseNow>(clickhouse.query(responses)).await? {
        let ResponseNow { post_id, kind, id, stands, first_at, version } = row;
        facts.responses.insert(id, Response { post_id, kind, stands, first_at });
        facts.versions.insert(id, version);
    }
    Ok(facts)
}

async fn hours_that_differ(clickhouse: &Clickhouse, since: Millis) -> Result<u64, ClickhouseError> {
    #[derive(Row, Deserialize)]
    struct Count {
        hours: u64,
    }
    let statement = "SELECT count() AS hours FROM ( \
            SELECT toStartOfHour(timestamp) AS hour, event_type, country, count() AS events FROM events_analytics \
            WHERE hour > fromUnixTimestamp64Milli(?) GROUP BY hour, event_type, country \
        ) AS r FULL JOIN ( \
            SELECT hour, event_type, country, countMerge(events) AS events FROM events_hourly \
            WHERE hour > fromUnixTimestamp64Milli(?) GROUP BY hour, event_type, country \
        ) AS s ON r.hour = s.hour AND r.event_type = s.event_type AND r.country = s.country \
        WHERE r.events != s.events";
    let counted: Vec<Count> = clickhouse.rows(clickhouse.query(statement).bind(since.0).bind(since.0)).await?;
    Ok(counted.first().map_or(0, |count| count.hours))
}

/// Compares the rows of a partition with what its events lead to. Rows never change, so none is newer.
fn judge_events(
    stored: &BTreeMap<String, Vec<EventRow>>,
    expected: &Analytics,
    since: Millis,
    only: Only<'_>,
) -> Verdict {
    let young = |rows: &Vec<EventRow>| rows.iter().all(|row| row.timestamp >= since);
    let wanted = expected.events.iter().filter(|(_, rows)| young(rows));
    let wanted = wanted.map(|(place, rows)| (place.clone(), rows.clone())).collect();
    let mut verdict = Verdict::default();
    verdict.compare("event", stored, &wanted, |_, _| false, only);
    verdict
}

fn judge_facts(stored: &Facts, expected: &Analytics, end_of: impl Fn(Uuid) -> u64, only: Only<'_>) -> Verdict {
    let is_newer = |id: &Uuid, root: Uuid| stored.versions.get(id).is_some_and(|version| *version > end_of(root));
    let mut verdict = Verdict::default();
    verdict.compare("post", &stored.posts, &expected.posts, |id, _| is_newer(id, *id), only);
    verdict.compare("author", &stored.authors, &expected.authors, |id, _| is_newer(id, *id), only);
    let of_response = |id: &Uuid, response: &Response| is_newer(id, response.post_id);
    verdict.compare("response", &stored.responses, &expected.responses, of_response, only);
    verdict
}
