//! What the tables hold, beside what the events of the log lead to.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use clickhouse::query::Query;
use clickhouse::sql::Identifier;
use read_model::analytics::ClickhouseError;
use read_model::analytics::rows::{AuthorRow, EventRow, Id, Millis, SOURCE_EVENTS};
use serde::Deserialize;
use uuid::Uuid;

use crate::analytics::fold::{Analytics, Post, Response, place};
use crate::analytics::write::Store;
use crate::projection::StoreFailure;
use crate::verdict::{KEYS_AT_ONCE, Keys, Only, Verdict, some_at_a_time};

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

/// Rows of one question, so that it is answered in time.
const RANGE: u64 = 200_000;

impl Store {
    /// Compares the rows of a partition before `end`, which the store must have come to, with its events. Of some keys those rows are read
    /// that their events must have led to. Rows of before `since` may be gone by themselves and are left out.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn verify_events(
        &self,
        partition: u32,
        keys: Keys<'_>,
        expected: &Analytics,
        end: u64,
        since: Millis,
        only: Only<'_>,
    ) -> Result<Verdict, StoreFailure> {
        let mut stored = BTreeMap::<String, Vec<EventRow>>::new();
        let mut keep = |rows: Vec<EventRow>| {
            for row in rows {
                stored.entry(place(&row.source, row.partition, row.offset)).or_default().push(row);
            }
        };
        if keys.is_some() {
            let offsets: Vec<_> = expected.events.values().flatten().map(|row| row.offset).collect();
            for offsets in offsets.chunks(KEYS_AT_ONCE) {
                keep(self.rows(partition, "offset IN ?", |query| query.bind(offsets), since).await?);
            }
        } else {
            let mut from = 0;
            while from < end {
                let to = end.min(from + RANGE);
                let bind = |query: Query| query.bind(from).bind(to);
                keep(self.rows(partition, "offset >= ? AND offset < ?", bind, since).await?);
                from = to;
            }
        }
        Ok(judge_events(&stored, expected, since, only))
    }

    /// Compares the facts of all partitions, or those of some keys, with what the events before their ends lead to. `end_of` gives the end of
    /// the partition that a root is in.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn verify_facts(
        &self,
        keys: Keys<'_>,
        expected: &Analytics,
        end_of: impl Fn(Uuid) -> u64,
        only: Only<'_>,
    ) -> Result<Verdict, StoreFailure> {
        let mut facts = Facts::default();
        match keys {
            None => self.facts(None, &mut facts).await?,
            Some(keys) => {
                for keys in some_at_a_time(keys) {
                    self.facts(Some(&keys), &mut facts).await?;
                }
            }
        }
        Ok(judge_facts(&facts, expected, end_of, only))
    }

    /// The hours, by type and country, that the statistics count differently from the rows: of those whose rows are all there still,
    /// and not the hour that runs.
    ///
    /// # Errors
    /// [`StoreFailure::Unavailable`].
    pub async fn hours_that_differ(&self, since: Millis) -> Result<BTreeSet<String>, StoreFailure> {
        #[derive(Row, Deserialize)]
        struct Hour {
            name: String,
        }
        let statement = "SELECT concat(toString(hour), ' ', event_type, ' ', country) AS name FROM ( \
                SELECT toStartOfHour(timestamp) AS hour, event_type, country, count() AS events, uniq(user_id) AS users, \
                    uniqIf(session_id, session_id != '') AS sessions FROM ? \
                WHERE toStartOfHour(timestamp) > fromUnixTimestamp64Milli(?) AND timestamp < toStartOfHour(now('UTC')) \
                GROUP BY hour, event_type, country \
            ) AS r FULL JOIN ( \
                SELECT hour, event_type, country, countMerge(events) AS events, uniqMerge(users) AS users, \
                    uniqMerge(sessions) AS sessions FROM ? \
                WHERE hour > fromUnixTimestamp64Milli(?) AND hour < toStartOfHour(now('UTC')) \
                GROUP BY hour, event_type, country \
            ) AS s USING (hour, event_type, country) \
            WHERE r.events != s.events OR r.users != s.users OR r.sessions != s.sessions";
        let query = self
            .clickhouse
            .query(statement)
            .bind(Identifier(&self.names.events()))
            .bind(since.0)
            .bind(Identifier(&self.names.hourly()))
            .bind(since.0);
        let hours: Vec<Hour> = self.clickhouse.rows(query).await?;
        Ok(hours.into_iter().map(|hour| hour.name).collect())
    }

    /// The rows of a partition whose offsets meet a condition with what is bound in it.
    async fn rows(
        &self,
        partition: u32,
        offsets: &str,
        bind: impl FnOnce(Query) -> Query,
        since: Millis,
    ) -> Result<Vec<EventRow>, ClickhouseError> {
        let statement = format!(
            "SELECT ?fields FROM ? WHERE source = ? AND partition = ? AND {offsets} AND timestamp >= fromUnixTimestamp64Milli(?)"
        );
        let query = self.clickhouse.query(&statement).bind(Identifier(&self.names.events()));
        let query = bind(query.bind(SOURCE_EVENTS).bind(partition));
        self.clickhouse.rows(query.bind(since.0)).await
    }

    /// Reads all facts, or those of some keys.
    async fn facts(&self, keys: Option<&[Uuid]>, facts: &mut Facts) -> Result<(), ClickhouseError> {
        let clickhouse = &self.clickhouse;
        let of = |column: &str| match keys {
            None => String::new(),
            Some(keys) => {
                let keys: Vec<_> = keys.iter().map(|key| format!("'{key}'")).collect();
                format!("WHERE {column} IN ({})", keys.join(", "))
            }
        };
        let posts = "SELECT id, argMax(title.2, title.1), argMax(post_type.2, post_type.1), argMax(slug.2, slug.1), \
                     argMax(status.2, status.1), argMax(author_id.2, author_id.1), \
                     if(max(published_at.1) = 0, NULL, argMax(published_at.2, published_at.1)), \
                     argMax(created_at.2, created_at.1), \
                     greatest(max(title.1), max(post_type.1), max(slug.1), max(status.1), max(author_id.1), \
                         max(published_at.1), max(created_at.1)) \
                     FROM ?";
        let posts = format!("{posts} {} GROUP BY id", of("id"));
        let posts = clickhouse.query(&posts).bind(Identifier(&self.names.posts()));
        for row in clickhouse.rows::<PostNow>(posts).await? {
            let PostNow { id, title, post_type, slug, status, author_id, published_at, created_at, version } = row;
            let post = Post { title, post_type, slug, status, author_id: author_id.0, published_at, created_at };
            facts.posts.insert(id, post);
            facts.versions.insert(id, version);
        }
        let authors = format!("SELECT id, name, created_at, version FROM ? FINAL {}", of("id"));
        let authors = clickhouse.query(&authors).bind(Identifier(&self.names.authors()));
        for row in clickhouse.rows::<AuthorRow>(authors).await? {
            facts.versions.insert(row.id, row.version);
            facts.authors.insert(row.id, row);
        }
        let responses = "SELECT post_id, kind, id, argMax(stands.2, stands.1), min(first_at), max(stands.1) FROM ?";
        let responses = format!("{responses} {} GROUP BY post_id, kind, id", of("post_id"));
        let responses = clickhouse.query(&responses).bind(Identifier(&self.names.responses()));
        for row in clickhouse.rows::<ResponseNow>(responses).await? {
            let ResponseNow { post_id, kind, id, stands, first_at, version } = row;
            facts.responses.insert(id, Response { post_id, kind, stands, first_at });
            facts.versions.insert(id, version);
        }
        Ok(())
    }
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
