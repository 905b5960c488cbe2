//! The history of one aggregate, as it stands in the log.

use std::process::ExitCode;

use event_log::kafka::partition_for;
use event_log::reader::Commit;
use event_schema::meta::header;
use projectors::event::LoggedEvent;
use projectors::runner::decode::{Cause, any_event};
use serde::Serialize;
use uuid::Uuid;

use crate::EXIT_NOTHING;
use crate::changes::{Changes, Unfolding};
use crate::config::AggregateArgs;
use crate::log::Log;

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
    /// Of the aggregate's state, by the names of its fields.
    pub changes: Changes,
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
pub async fn read(log: &Log, of: AggregateArgs) -> anyhow::Result<History> {
    let partition = partition_of(log, of);
    let subject = of.aggregate.to_string();
    let mut events = Vec::new();
    let mut unfolding = Unfolding::default();
    log.scan(partition..partition + 1, async |_, commit: Commit| {
        for record in &commit.records {
            if record.headers.get(header::SUBJECT) != Some(subject.as_bytes()) {
                continue;
            }
            let decoded = any_event(&log.codec, record).await;
            let changes = decoded.as_ref().map(|event| unfolding.apply(event)).unwrap_or_default();
            let content = decoded.map_or_else(Content::undecodable, |event| Content::of(&event));
            let epoch = commit.epoch.to_string();
            events.push(Entry { offset: record.offset, commit: commit.id, epoch, content, changes });
        }
        Ok(())
    })
    .await?;
    Ok(History { aggregate: of.aggregate, partition, events })
}

/// Where the aggregate is.
pub fn partition_of(log: &Log, of: AggregateArgs) -> u32 {
    partition_for(of.under.unwrap_or(of.aggregate).to_string().as_bytes(), log.partitions())
}

/// Says to a person why nothing of an aggregate was found.
pub fn nothing_of(aggregate: Uuid) -> ExitCode {
    eprintln!(
        "error: no event of {aggregate} is in the log; check the id (a comment or a like needs --under <post>), and that \
         GROOT_KAFKA_BROKERS and GROOT_EVENTS_TOPIC name the log that it is in"
    );
    ExitCode::from(EXIT_NOTHING)
}

impl Content {
    pub fn of(logged: &LoggedEvent) -> Self {
        let meta = &logged.meta;
        Self::Event {
            id: meta.id,
            version: meta.version,
            event_type: meta.event_type.clone(),
            time: meta.time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            actor: meta.actor.to_string(),
            command_id: meta.command_id,
            correlation_id: meta.correlation_id,
            data: logged.event.to_json(),
        }
    }

    pub fn undecodable(cause: Cause) -> Self {
        Self::Undecodable { error: cause.to_string() }
    }
}
