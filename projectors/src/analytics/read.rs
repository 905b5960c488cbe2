//! Everything that the store holds of the projection, for comparing it with an independent fold.

use clickhouse::Row;
use read_model::analytics::rows::{AuthorRow, EventRow, Id, Millis};
use read_model::analytics::{Clickhouse, ClickhouseError};
use serde::Deserialize;
use uuid::Uuid;

use crate::analytics::fold::{Analytics, Hour, Post, Response, place};

#[derive(Row, Deserialize)]
struct HourRow {
    hour: u32,
    event_type: String,
    country: String,
    events: u64,
    users: u64,
    sessions: u64,
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
}

/// Reads all that readers are shown, whole, into memory.
pub async fn read_all(clickhouse: &Clickhouse) -> Result<Analytics, ClickhouseError> {
    let mut all = Analytics::default();
    let events = "SELECT ?fields FROM events_analytics ORDER BY source, partition, offset";
    for row in clickhouse.rows::<EventRow>(clickhouse.query(events)).await? {
        all.events.entry(place(&row.source, row.partition, row.offset)).or_default().push(row);
    }
    let hourly = "SELECT hour, event_type, country, countMerge(events) AS events, uniqMerge(users) AS users, \
                  uniqMerge(sessions) AS sessions \
                  FROM events_hourly GROUP BY hour, event_type, country";
    for row in clickhouse.rows::<HourRow>(clickhouse.query(hourly)).await? {
        let HourRow { hour, event_type, country, events, users, sessions } = row;
        all.hourly.insert(format!("{hour} {event_type} {country}"), Hour { events, users, sessions });
    }
    let posts = "SELECT id, title, post_type, slug, status, author_id, published_at, created_at FROM posts";
    for row in clickhouse.rows::<PostNow>(clickhouse.query(posts)).await? {
        let PostNow { id, title, post_type, slug, status, author_id, published_at, created_at } = row;
        let post = Post { title, post_type, slug, status, author_id: author_id.0, published_at, created_at };
        all.posts.insert(id, post);
    }
    let authors = "SELECT id, name, created_at, version FROM authors";
    for row in clickhouse.rows::<AuthorRow>(clickhouse.query(authors)).await? {
        all.authors.insert(row.id, row);
    }
    let responses = "SELECT post_id, kind, id, stands, first_at FROM responses";
    for row in clickhouse.rows::<ResponseNow>(clickhouse.query(responses)).await? {
        let ResponseNow { post_id, kind, id, stands, first_at } = row;
        all.responses.insert(id, Response { post_id, kind, stands, first_at });
    }
    Ok(all)
}
