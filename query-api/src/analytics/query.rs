use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clickhouse::Row;
use read_model::analytics::rows::Millis;
use read_model::analytics::{AnalyticsNames, Clickhouse, ClickhouseAddress, ClickhouseError};
use read_model::{ANALYTICS, Checkpoint, versions};
use serde::Deserialize;
use service::problem::Problem;
use uuid::Uuid;

use super::params::{CountriesParams, SeriesParams, Span, TopParams};
use crate::progress::Checkpoints;
use crate::shared::Shared;
use crate::store::QUERY_LIMIT;

/// The events of one installation in ClickHouse, in whichever version is live. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Of the first version, which also says which one is live.
    clickhouse: Clickhouse,
    live: Shared<u32, FiguresError>,
}

/// The events in one version. Each question is asked in that one's database.
#[derive(Clone, Debug)]
pub struct TablesOf {
    clickhouse: Clickhouse,
}

/// A question was not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FiguresError {
    #[error(transparent)]
    Clickhouse(#[from] ClickhouseError),
    #[error("ClickHouse did not answer within {} s", QUERY_LIMIT.as_secs())]
    TimedOut,
}

#[derive(Clone, Copy, Debug, Default, Row, Deserialize)]
pub struct Totals {
    pub posts: u64,
    pub authors: u64,
    pub views: u64,
    pub events: u64,
    pub recent: u64,
    pub likes: u64,
    pub comments: u64,
}

/// Of the piece that begins at this second.
#[derive(Clone, Copy, Debug, Row, Deserialize)]
pub struct Counted {
    pub begin: u32,
    pub events: u64,
    pub users: u64,
    pub sessions: u64,
}

#[derive(Clone, Copy, Debug, Row, Deserialize)]
pub struct PostCounted {
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    pub views: u64,
    pub likes: u64,
    pub comments: u64,
}

/// What a post is.
#[derive(Clone, Debug, Row, Deserialize)]
pub struct PostFacts {
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    pub title: String,
    pub slug: String,
    #[serde(with = "clickhouse::serde::uuid")]
    pub author: Uuid,
    pub name: String,
    pub published_at: Option<Millis>,
}

#[derive(Clone, Debug, Row, Deserialize)]
pub struct AuthorCounted {
    #[serde(with = "clickhouse::serde::uuid")]
    pub author: Uuid,
    pub name: String,
    pub posts: u64,
    pub views: u64,
    pub likes: u64,
    pub comments: u64,
}

#[derive(Clone, Debug, Row, Deserialize)]
pub struct CountryCounted {
    pub country: String,
    pub events: u64,
    pub users: u64,
    pub sessions: u64,
}

/// What `eventsPerSecond` is taken over.
pub const RECENT: TimeDelta = TimeDelta::seconds(60);

/// What happened to published posts in a span; bound to it is the span, twice. What posts are called is not among it: to rank a million posts
/// takes several times as long with their titles.
const BY_POST: &str = "\
    SELECT p.id AS id, p.author_id AS author, v.views AS views, r.likes AS likes, r.comments AS comments \
    FROM (SELECT id, author_id FROM posts WHERE status = 'published') AS p \
    LEFT JOIN ( \
        SELECT assumeNotNull(post_id) AS post, count() AS views FROM events_analytics \
        WHERE event_type = 'view' AND post_id IS NOT NULL \
            AND timestamp >= fromUnixTimestamp64Milli(?) AND timestamp < fromUnixTimestamp64Milli(?) \
        GROUP BY post \
    ) AS v ON v.post = p.id \
    LEFT JOIN ( \
        SELECT post_id AS post, countIf(kind = 'like') AS likes, countIf(kind = 'comment') AS comments FROM responses \
        WHERE stands AND first_at >= fromUnixTimestamp64Milli(?) AND first_at < fromUnixTimestamp64Milli(?) \
        GROUP BY post \
    ) AS r ON r.post = p.id";

impl Tables {
    /// Prepares the client without connecting.
    pub fn new(address: &ClickhouseAddress) -> Self {
        Self { clickhouse: Clickhouse::new(address, QUERY_LIMIT), live: Shared::default() }
    }

    /// The tables as of a moment.
    pub async fn at(&self, moment: Option<u32>) -> Result<TablesOf, FiguresError> {
        let version = self.version_at(&moment).await?;
        Ok(self.of(version))
    }

    fn of(&self, version: u32) -> TablesOf {
        TablesOf { clickhouse: self.clickhouse.of_version(AnalyticsNames::of(ANALYTICS.in_version(version))) }
    }
}

impl TablesOf {
    pub async fn totals(&self, span: Span, now: DateTime<Utc>) -> Result<Totals, FiguresError> {
        // What a part gives could be no row at all, for all that the server knows.
        let statement = "\
            SELECT \
                published.posts AS posts, \
                published.authors AS authors, \
                assumeNotNull((SELECT countMerge(events) FROM events_hourly \
                    WHERE event_type = 'view' AND hour >= toDateTime(?) AND hour < toDateTime(?))) AS views, \
                assumeNotNull((SELECT countMerge(events) FROM events_hourly \
                    WHERE hour >= toDateTime(?) AND hour < toDateTime(?))) AS events, \
                assumeNotNull((SELECT count() FROM events_analytics \
                    WHERE timestamp > fromUnixTimestamp64Milli(?) AND timestamp <= fromUnixTimestamp64Milli(?))) AS recent, \
                assumeNotNull((SELECT count() FROM responses WHERE stands AND kind = 'like' \
                    AND first_at >= fromUnixTimestamp64Milli(?) AND first_at < fromUnixTimestamp64Milli(?))) AS likes, \
                assumeNotNull((SELECT count() FROM responses WHERE stands AND kind = 'comment' \
                    AND first_at >= fromUnixTimestamp64Milli(?) AND first_at < fromUnixTimestamp64Milli(?))) AS comments \
            FROM (SELECT count() AS posts, uniqExact(author_id) AS authors FROM posts WHERE status = 'published') AS published";
        let (first, end) = (hour(span.from), span.to.timestamp());
        let (from, to) = (span.from.timestamp_millis(), span.to.timestamp_millis());
        let query = self
            .clickhouse
            .query(statement)
            .bind(first)
            .bind(end)
            .bind(first)
            .bind(end)
            .bind((now - RECENT).timestamp_millis())
            .bind(now.timestamp_millis())
            .bind(from)
            .bind(to)
            .bind(from)
            .bind(to);
        Ok(self.clickhouse.rows(query).await?.first().copied().unwrap_or_default())
    }

    /// Of each piece in which there was something.
    pub async fn series(&self, params: &SeriesParams) -> Result<Vec<Counted>, FiguresError> {
        let begins: Vec<i64> = params.begins.iter().map(DateTime::timestamp).collect();
        let Some(first) = begins.first().copied() else { return Ok(Vec::new()) };
        let mut statement = "\
            SELECT toUInt32(roundDown(toInt64(toUnixTimestamp(hour)), ?)) AS begin, countMerge(events) AS events, \
                uniqMerge(users) AS users, uniqMerge(sessions) AS sessions \
            FROM events_hourly WHERE hour >= toDateTime(?) AND hour < toDateTime(?)"
            .to_owned();
        if params.event_type.is_some() {
            statement.push_str(" AND event_type = ?");
        }
        statement.push_str(" GROUP BY begin ORDER BY begin");
        let mut query = self.clickhouse.query(&statement).bind(begins).bind(first).bind(params.to.timestamp());
        if let Some(event_type) = &params.event_type {
            query = query.bind(event_type);
        }
        Ok(self.clickhouse.rows(query).await?)
    }

    pub async fn top_posts(&self, params: &TopParams) -> Result<Vec<(PostCounted, PostFacts)>, FiguresError> {
        let statement = format!(
            "SELECT id, views, likes, comments FROM ({BY_POST}) ORDER BY views DESC, likes DESC, comments DESC, id LIMIT ?"
        );
        let (from, to) = (params.span.from.timestamp_millis(), params.span.to.timestamp_millis());
        let query = self.clickhouse.query(&statement).bind(from).bind(to).bind(from).bind(to).bind(params.limit);
        let top: Vec<PostCounted> = self.clickhouse.rows(query).await?;
        if top.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = top.iter().map(|post| post.id.to_string()).collect();
        let statement = "\
            SELECT p.id AS id, p.title AS title, p.slug AS slug, p.author_id AS author, a.name AS name, p.published_at AS published_at \
            FROM (SELECT id, title, slug, author_id, published_at FROM posts WHERE id IN ? AND status = 'published') AS p \
            LEFT JOIN (SELECT id, name FROM authors) AS a ON a.id = p.author_id";
        let facts: Vec<PostFacts> = self.clickhouse.rows(self.clickhouse.query(statement).bind(ids)).await?;
        let mut facts: HashMap<_, _> = facts.into_iter().map(|facts| (facts.id, facts)).collect();
        // One that was taken back meanwhile is not shown.
        Ok(top.into_iter().filter_map(|post| Some((post, facts.remove(&post.id)?))).collect())
    }

    pub async fn top_authors(&self, params: &TopParams) -> Result<Vec<AuthorCounted>, FiguresError> {
        let order = "seen DESC, liked DESC, commented DESC, posts DESC, author";
        let statement = format!(
            "SELECT t.author AS author, a.name AS name, t.posts AS posts, t.seen AS seen, t.liked AS liked, t.commented AS commented \
             FROM (SELECT author, count() AS posts, sum(views) AS seen, sum(likes) AS liked, sum(comments) AS commented \
                 FROM ({BY_POST}) GROUP BY author ORDER BY {order} LIMIT ?) AS t \
             LEFT JOIN (SELECT id, name FROM authors) AS a ON a.id = t.author ORDER BY {order}"
        );
        let (from, to) = (params.span.from.timestamp_millis(), params.span.to.timestamp_millis());
        let query = self.clickhouse.query(&statement).bind(from).bind(to).bind(from).bind(to).bind(params.limit);
        Ok(self.clickhouse.rows(query).await?)
    }

    pub async fn countries(&self, params: &CountriesParams) -> Result<Vec<CountryCounted>, FiguresError> {
        let mut statement = "\
            SELECT country, countMerge(events) AS number, uniqMerge(users) AS people, uniqMerge(sessions) AS visits \
            FROM events_hourly WHERE hour >= toDateTime(?) AND hour < toDateTime(?)"
            .to_owned();
        if params.event_type.is_some() {
            statement.push_str(" AND event_type = ?");
        }
        statement.push_str(" GROUP BY country ORDER BY number DESC, country LIMIT ?");
        let Span { from, to } = params.top.span;
        let mut query = self.clickhouse.query(&statement).bind(hour(from)).bind(to.timestamp());
        if let Some(event_type) = &params.event_type {
            query = query.bind(event_type);
        }
        Ok(self.clickhouse.rows(query.bind(params.top.limit)).await?)
    }
}

/// The second in which the hour of a time begins: what is counted by the hour is counted whole.
fn hour(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(3_600) * 3_600
}

impl Checkpoints for Tables {
    type Moment = Option<u32>;
    type Error = FiguresError;

    const PAUSE: Duration = Duration::from_millis(50);

    async fn live(&self) -> Result<u32, FiguresError> {
        let load = async || Ok(versions::analytics::load(&self.clickhouse).await?.live);
        self.live.get(load).await
    }

    /// Rows are inserted before the checkpoint that covers them, and what is inserted is seen at once.
    async fn checkpoints(&self) -> Result<(Vec<Checkpoint>, Option<u32>), FiguresError> {
        #[derive(Row, Deserialize)]
        struct Found {
            checkpoint: String,
        }
        let statement = "\
            SELECT checkpoint FROM checkpoints WHERE kind = 'done' AND startsWith(id, ?) \
            ORDER BY revision DESC LIMIT 1 BY id";
        let version = self.live().await?;
        let projection = ANALYTICS.in_version(version);
        let TablesOf { clickhouse } = self.of(version);
        let query = clickhouse.query(statement).bind(projection.checkpoint_prefix());
        let found: Vec<Found> = clickhouse.rows(query).await?;
        let checkpoints = found.iter().filter_map(|found| serde_json::from_str::<Checkpoint>(&found.checkpoint).ok());
        Ok((checkpoints.filter(|checkpoint| checkpoint.is_of(projection)).collect(), Some(version)))
    }

    fn timed_out() -> FiguresError {
        FiguresError::TimedOut
    }
}

impl From<FiguresError> for Problem {
    fn from(error: FiguresError) -> Self {
        match &error {
            FiguresError::Clickhouse(ClickhouseError::Unavailable(_)) | FiguresError::TimedOut => {
                Problem::dependency_unavailable("ClickHouse", error)
            }
            // Nothing was projected yet.
            FiguresError::Clickhouse(refused) if refused.is_missing() => {
                Problem::dependency_unavailable("ClickHouse", error)
            }
            FiguresError::Clickhouse(_) => Problem::internal(error),
        }
    }
}
