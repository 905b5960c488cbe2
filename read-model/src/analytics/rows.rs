//! The rows of the tables, in the types of RowBinary: field by field what the migrations declare.

use std::net::Ipv6Addr;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A time in whole milliseconds since 1970: what a `DateTime64(3)` holds, which is exact for every year, also where the calendar
/// functions of a server do not reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Millis(pub i64);

/// A version and the value that it has: of several the one with the highest version holds. Version 0 says nothing of it.
///
/// The version of what the event at an offset says is the offset plus one.
pub type Versioned<T> = (u64, T);

/// An id in a tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(#[serde(with = "clickhouse::serde::uuid")] pub Uuid);

/// Something that happened: an event of the log, or an activity.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct EventRow {
    pub timestamp: Millis,
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub user_id: Option<Uuid>,
    pub event_type: String,
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub aggregate_id: Option<Uuid>,
    /// The post that it is about, if any.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub post_id: Option<Uuid>,
    /// By name.
    pub properties: Vec<(String, String)>,
    /// Empty where there is none, as the texts that follow.
    pub session_id: String,
    pub ip_address: Option<Ipv6Addr>,
    pub user_agent: String,
    pub country: String,
    pub region: String,
    /// [`SOURCE_EVENTS`] or [`SOURCE_ACTIVITY`].
    pub source: String,
    pub partition: u32,
    pub offset: u64,
}

pub const SOURCE_EVENTS: &str = "events";
pub const SOURCE_ACTIVITY: &str = "activity";

/// The comment of an insert of events that the statistics leave out: they have them already.
pub const ROWS_ALONE: &str = "rows alone";

impl EventRow {
    /// Its partition among those of both sources, as `reached` in the statistics has it.
    pub fn lane(&self) -> u64 {
        u64::from(self.partition) * 2 + u64::from(self.source == SOURCE_ACTIVITY)
    }
}

/// What one event says of a post, or several together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct PostRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    pub title: Versioned<String>,
    pub post_type: Versioned<String>,
    pub slug: Versioned<String>,
    pub status: Versioned<String>,
    pub author_id: Versioned<Id>,
    pub published_at: Versioned<Millis>,
    pub created_at: Versioned<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct AuthorRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    pub name: String,
    pub created_at: Millis,
    /// The offset of the event that says so, plus one.
    pub version: u64,
}

/// What one event says of a like or a comment.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct ResponseRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub post_id: Uuid,
    /// [`LIKE`] or [`COMMENT`].
    pub kind: String,
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    /// Whether it stands, that it was not taken back.
    pub stands: Versioned<bool>,
    pub first_at: Millis,
}

pub const LIKE: &str = "like";
pub const COMMENT: &str = "comment";

/// How far the projection is in a partition, or how far it is about to be.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct CheckpointRow {
    /// [`crate::Projection::checkpoint_id`].
    pub id: String,
    /// [`BEGUN`], [`TAKEN_OVER`] or [`DONE`].
    pub kind: String,
    pub revision: i64,
    /// That of the checkpoint.
    pub next_offset: u64,
    /// [`crate::Checkpoint`] as JSON.
    pub checkpoint: String,
}

/// Rows up to this position may be there, in part or whole.
pub const BEGUN: &str = "begun";
/// Whoever has begun the batch up to this position is not the one to record that it is done.
pub const TAKEN_OVER: &str = "taken over";
/// All rows up to this position are there.
pub const DONE: &str = "done";

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct DeadLetterRow {
    pub partition: u32,
    pub key: String,
    pub offset: u64,
    pub standing: String,
    /// [`crate::DeadLetterDoc`] as JSON; empty once it is removed.
    pub letter: String,
    /// Of several the last one holds.
    pub version: u64,
    pub removed: bool,
}

impl From<DateTime<Utc>> for Millis {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }
}

impl Millis {
    /// None for what no calendar has.
    pub fn to_time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0)
    }
}
