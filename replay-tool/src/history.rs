//! The history of one aggregate, as it stands in the log.

use event_log::kafka::{KafkaLog, ReadError, partition_for, read_partition};
use event_log::position::Position;
use event_log::record::{Epoch, LogRecord};
use event_schema::codec::Codec;
use event_schema::meta::{EventMeta, header};
use serde::Serialize;
use uuid::Uuid;

/// What an aggregate went through.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    pub aggregate: Uuid,
    pub partition: u32,
    pub events: Vec<Entry>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub offset: u64,
    pub commit: Uuid,
    /// The offset and nonce of the claim that the event was written under.
    pub epoch: String,
    #[serde(flatten)]
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", untagged)]
pub enum Content {
    Event {
        id: Uuid,
        version: u64,
        #[serde(rename = "type")]
        event_type: String,
        time: String,
        actor: String,
        command_id: Uuid,
        correlation_id: Uuid,
        data: serde_json::Value,
    },
    Undecodable {
        error: String,
    },
}

impl History {
    pub fn is_decoded(&self) -> bool {
        self.events.iter().all(|entry| matches!(entry.content, Content::Event { .. }))
    }
}

/// Reads the aggregate's partition, or that of the post which it is under, from its beginning to the end that it has now.
pub async fn read(log: &KafkaLog, codec: &Codec, aggregate: Uuid, under: Option<Uuid>) -> Result<History, ReadError> {
    let partition = partition_for(under.unwrap_or(aggregate).to_string().as_bytes(), log.partitions());
    let subject = aggregate.to_string();
    let end = log.end_offsets().await?.get(partition as usize).copied().unwrap_or(0);
    let mut found: Vec<(Uuid, Epoch, LogRecord)> = Vec::new();
    read_partition(log, partition, Position::START, end, |delivery| {
        for commit in delivery.commits {
            let of = |record: &LogRecord| record.headers.get(header::SUBJECT) == Some(subject.as_bytes());
            let records = commit.records.into_iter().filter(of);
            found.extend(records.map(|record| (commit.id, commit.epoch, record)));
        }
    })
    .await?;
    let mut events = Vec::with_capacity(found.len());
    for (commit, epoch, record) in found {
        let content = decode(codec, &record).await.unwrap_or_else(|error| Content::Undecodable { error });
        events.push(Entry { offset: record.offset, commit, epoch: epoch.to_string(), content });
    }
    Ok(History { aggregate, partition, events })
}

/// What a record says.
pub async fn decode(codec: &Codec, record: &LogRecord) -> Result<Content, String> {
    let (meta, schema_fp) =
        EventMeta::from_headers(|name| record.headers.get(name)).map_err(|error| error.to_string())?;
    let value = record.value.as_deref().ok_or("the record has no value")?;
    let event = codec.decode(&meta.event_type, schema_fp, value).await.map_err(|error| error.to_string())?;
    Ok(Content::Event {
        id: meta.id,
        version: meta.version,
        time: meta.time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        actor: meta.actor.to_string(),
        command_id: meta.command_id,
        correlation_id: meta.correlation_id,
        data: event.to_json(),
        event_type: meta.event_type,
    })
}
