//! From the records of commits to events.

use event_log::reader::Commit;
use event_log::record::LogRecord;
use event_schema::codec::{Codec, DecodeError};
use event_schema::event::AggregateKind;
use event_schema::hash::SchemaFp;
use event_schema::meta::{EventMeta, HeaderError};
use thiserror::Error;

use crate::event::LoggedEvent;

/// A record that counts was not made an event.
#[derive(Debug, Error)]
#[error("the record at offset {offset} of partition {partition} cannot be read: {source}")]
pub struct Undecodable {
    pub partition: u32,
    pub offset: u64,
    pub source: Cause,
}

#[derive(Debug, Error)]
pub enum Cause {
    #[error(transparent)]
    Headers(#[from] HeaderError),
    #[error("it has no value")]
    NoValue,
    #[error(transparent)]
    Value(#[from] DecodeError),
}

impl Undecodable {
    /// Whether this record is at fault, and not this build or the registry.
    pub fn is_of_the_record(&self) -> bool {
        match &self.source {
            Cause::Headers(_) | Cause::NoValue => true,
            Cause::Value(error) => error.is_of_the_value(),
        }
    }

    /// Whether the same record may be decoded later: the registry is away.
    pub fn is_retryable(&self) -> bool {
        matches!(&self.source, Cause::Value(error) if error.is_retryable())
    }
}

/// The events of commits in their order, without those of aggregates that this build has never heard of: they are no
/// projection's here. An event that is new to an aggregate which is known is an error.
///
/// Asks the registry for schemas that have not been met before.
pub async fn events(codec: &Codec, commits: &[Commit]) -> Result<Vec<LoggedEvent>, Undecodable> {
    let mut events = Vec::new();
    for record in commits.iter().flat_map(|commit| &commit.records) {
        events.extend(event(codec, record).await?);
    }
    Ok(events)
}

/// The event of a record, or none of an aggregate that this build has never heard of.
pub async fn event(codec: &Codec, record: &LogRecord) -> Result<Option<LoggedEvent>, Undecodable> {
    let read = async {
        let (meta, schema_fp) = headers(record)?;
        if AggregateKind::of_event_type(&meta.event_type).is_none() {
            metrics::counter!("projection_foreign_events_total").increment(1);
            return Ok(None);
        }
        value(codec, record, meta, schema_fp).await.map(Some)
    };
    read.await.map_err(|source| Undecodable { partition: record.partition, offset: record.offset, source })
}

/// The event of a record, of whatever aggregate: one that this build has never heard of is an error.
pub async fn any_event(codec: &Codec, record: &LogRecord) -> Result<LoggedEvent, Cause> {
    let (meta, schema_fp) = headers(record)?;
    value(codec, record, meta, schema_fp).await
}

fn headers(record: &LogRecord) -> Result<(EventMeta, SchemaFp), Cause> {
    Ok(EventMeta::from_headers(|name| record.headers.get(name))?)
}

async fn value(codec: &Codec, record: &LogRecord, meta: EventMeta, schema_fp: SchemaFp) -> Result<LoggedEvent, Cause> {
    let value = record.value.as_deref().ok_or(Cause::NoValue)?;
    let event = codec.decode(&meta.event_type, schema_fp, value).await?;
    Ok(LoggedEvent::at(record, meta, event))
}
