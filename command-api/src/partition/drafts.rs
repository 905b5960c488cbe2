//! From decided events to records, and back from records to events.

use chrono::{DateTime, SubsecRound, Utc};
use event_log::record::{Headers, LogRecord, RecordDraft};
use event_schema::codec::Codec;
use event_schema::event::DomainEvent;
use event_schema::hash::CommandHash;
use event_schema::meta::EventMeta;
use rand::RngExt;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::pending::Hoped;
use super::runtime::RuntimeConfig;
use super::submission::{Answer, Submission};
use crate::domain::{self, Actor, AggregateState, Command};

/// What `decide` made of a command.
pub struct Decided<'a> {
    pub submission: &'a Submission,
    /// The aggregate before its events.
    pub state: Option<AggregateState>,
    pub version: u64,
    /// The event time of all of them.
    pub time: DateTime<Utc>,
    /// One or more.
    pub events: Vec<DomainEvent>,
}

pub struct Drafted {
    pub commit: Uuid,
    pub records: Vec<RecordDraft>,
    pub hoped: Hoped,
}

/// The records of one commit, unless one of them is larger than a record may be.
pub fn draft(codec: &Codec, config: &RuntimeConfig, rng: &mut StdRng, decided: Decided<'_>) -> Result<Drafted, Answer> {
    let Decided { submission, mut state, mut version, time, events } = decided;
    let aggregate_id = submission.command.aggregate_id();
    let mut records = Vec::with_capacity(events.len());
    for event in &events {
        version += 1;
        let meta = EventMeta {
            // What the system does when it is due has one name, whichever owner does it.
            id: match submission.actor {
                Actor::System => submission.command_id,
                Actor::Person { .. } => new_id(rng, time),
            },
            event_type: event.event_type().to_owned(),
            aggregate_id,
            version,
            time,
            command_id: submission.command_id,
            command_hash: submission.command_hash,
            actor: submission.actor.reference(),
            correlation_id: submission.correlation_id,
            causation_id: submission.command_id,
            traceparent: submission.traceparent.clone(),
            source: config.source.clone(),
        };
        let record = record(codec, &meta, event);
        let size = record.size() + STAMP_SIZE;
        if size > config.record_limit {
            return Err(Answer::TooLarge { size, limit: config.record_limit });
        }
        records.push(record);
        state = Some(domain::evolve(state, event, time));
    }
    let Some(state) = state else { return Err(Answer::NotOwner) };
    Ok(Drafted { commit: new_id(rng, time), records, hoped: Hoped { aggregate_id, state, version, time } })
}

/// How many headers an event has, the stamp among them.
const HEADERS: usize = 21;

/// The protocol's stamp is added to the headers later: names and the longest values of its six, in bytes.
const STAMP_SIZE: usize = 256;

fn record(codec: &Codec, meta: &EventMeta, event: &DomainEvent) -> RecordDraft {
    let encoded = codec.encode(event);
    let mut headers = Headers::with_capacity(HEADERS, 256, 1024);
    meta.write_headers(encoded.schema_fp, |name, value| headers.push_text(name, value));
    RecordDraft { key: Some(event.key(meta.aggregate_id).to_string().into()), value: Some(encoded.value), headers }
}

/// The event that a released record holds. Its schema must be in the codec's cache.
pub fn read(codec: &Codec, record: &LogRecord) -> Result<(EventMeta, DomainEvent), String> {
    let (meta, schema_fp) =
        EventMeta::from_headers(|name| record.headers.get(name)).map_err(|error| error.to_string())?;
    let value = record.value.as_deref().unwrap_or_default();
    let event = codec.decode_cached(&meta.event_type, schema_fp, value).map_err(|error| error.to_string())?;
    Ok((meta, event))
}

/// Event time never runs backwards within an aggregate, whatever the clock does.
pub fn event_time(clock: DateTime<Utc>, last: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let clock = clock.trunc_subsecs(3);
    last.map_or(clock, |last| clock.max(last))
}

/// A command of the system: whoever makes it at whatever time, it is the same one, so it counts once.
pub fn system_submission(command: Command, at: DateTime<Utc>) -> Submission {
    let mut hash = Sha256::new();
    hash.update(b"groot:due");
    hash.update(command.aggregate_id().as_bytes());
    hash.update(at.timestamp_millis().to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    let command_id = Uuid::new_v8(id);
    Submission {
        command_id,
        command_hash: CommandHash::from_bytes(digest),
        command,
        expected_version: None,
        actor: Actor::System,
        correlation_id: command_id,
        traceparent: None,
    }
}

/// Whether the id says that it was made before that time, in milliseconds since the Unix epoch. Ids made of a person's
/// key do not say when, and are never too old.
pub fn is_older_than(command_id: Uuid, millis: i64) -> bool {
    command_id.get_version_num() == 7
        && command_id.get_timestamp().is_some_and(|made| {
            let (seconds, nanos) = made.to_unix();
            (seconds as i64).saturating_mul(1000).saturating_add(i64::from(nanos / 1_000_000)) < millis
        })
}

fn new_id(rng: &mut StdRng, time: DateTime<Utc>) -> Uuid {
    // A UUIDv7 has 48 bits of milliseconds since 1970; event times are of this age, and an earlier clock reads as 1970.
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &rng.random()).into_uuid()
}
