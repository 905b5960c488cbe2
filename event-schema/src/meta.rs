//! What is known of an event beside its own fields, and the record headers that carry it: the CloudEvents Kafka binding in
//! binary mode, and a few of ours. All values are UTF-8, numbers in decimal.

use std::fmt;
use std::str::{self, FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::hash::{CommandHash, SchemaFp};
use crate::id::PersonId;
use crate::time::truncate_to_millis;

/// Names of the headers that carry the metadata.
pub mod header {
    pub const SPEC_VERSION: &str = "ce_specversion";
    pub const ID: &str = "ce_id";
    pub const TYPE: &str = "ce_type";
    pub const SOURCE: &str = "ce_source";
    pub const SUBJECT: &str = "ce_subject";
    pub const TIME: &str = "ce_time";
    pub const CONTENT_TYPE: &str = "content-type";
    pub const VERSION: &str = "version";
    pub const COMMAND_ID: &str = "command_id";
    pub const COMMAND_HASH: &str = "command_hash";
    pub const ACTOR: &str = "actor";
    pub const CORRELATION_ID: &str = "correlation_id";
    pub const CAUSATION_ID: &str = "causation_id";
    pub const TRACEPARENT: &str = "traceparent";
    pub const SCHEMA_FP: &str = "schema_fp";
}

/// The version of CloudEvents that the headers follow.
pub const SPEC_VERSION: &str = "1.0";
/// The media type of every value.
pub const CONTENT_TYPE: &str = "application/avro";

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ActorRef {
    Person(PersonId),
    /// Groot itself, as when a schedule publishes a post.
    System,
}

/// The metadata of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMeta {
    /// Names the event for ever: a UUIDv7, or where the system acts on what is due, a UUIDv8 made of aggregate and time.
    pub id: Uuid,
    /// The full Avro name of the event.
    pub event_type: String,
    /// The aggregate. The key of the record is [`crate::event::DomainEvent::key`].
    pub aggregate_id: Uuid,
    /// The aggregate's version after this event, from 1.
    pub version: u64,
    /// Millisecond precision: what is finer is not written.
    pub time: DateTime<Utc>,
    /// The same for every attempt at one command, and for all events of it.
    pub command_id: Uuid,
    pub command_hash: CommandHash,
    pub actor: ActorRef,
    /// The request or process that all of this belongs to.
    pub correlation_id: Uuid,
    /// The id of the command or event that brought this about.
    pub causation_id: Uuid,
    /// W3C trace context, if the command carried any.
    pub traceparent: Option<String>,
    /// Where it was produced; a URI reference.
    pub source: String,
}

/// A record's headers do not describe an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("the record has no header {name}")]
    Missing { name: &'static str },
    #[error("the header {name} is {value:?}, where {expected} is expected")]
    Invalid { name: &'static str, value: String, expected: &'static str },
}

impl EventMeta {
    /// Gives `put` the headers of a record whose value was written with the schema `schema_fp`, one after the other.
    pub fn write_headers(&self, schema_fp: SchemaFp, mut put: impl FnMut(&'static str, &dyn fmt::Display)) {
        put(header::SPEC_VERSION, &SPEC_VERSION);
        put(header::ID, &self.id);
        put(header::TYPE, &self.event_type);
        put(header::SOURCE, &self.source);
        put(header::SUBJECT, &self.aggregate_id);
        put(header::TIME, &self.time.to_rfc3339_opts(SecondsFormat::Millis, true));
        put(header::CONTENT_TYPE, &CONTENT_TYPE);
        put(header::VERSION, &self.version);
        put(header::COMMAND_ID, &self.command_id);
        put(header::COMMAND_HASH, &self.command_hash);
        put(header::ACTOR, &self.actor);
        put(header::CORRELATION_ID, &self.correlation_id);
        put(header::CAUSATION_ID, &self.causation_id);
        put(header::SCHEMA_FP, &schema_fp);
        if let Some(traceparent) = &self.traceparent {
            put(header::TRACEPARENT, traceparent);
        }
    }

    /// The metadata, and the fingerprint of the schema that the value was written with. `get` looks a header up by name;
    /// where a name stands twice the first counts.
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a [u8]>) -> Result<(Self, SchemaFp), HeaderError> {
        let get = Lookup(get);
        let spec_version = get.required(header::SPEC_VERSION)?;
        if spec_version != SPEC_VERSION {
            return Err(invalid(header::SPEC_VERSION, spec_version, "1.0"));
        }
        let meta = EventMeta {
            id: get.uuid(header::ID)?,
            event_type: get.filled(header::TYPE, "the full name of an event")?,
            aggregate_id: get.uuid(header::SUBJECT)?,
            version: get.version()?,
            time: get.time()?,
            command_id: get.uuid(header::COMMAND_ID)?,
            command_hash: get.parsed(header::COMMAND_HASH, DIGEST)?,
            actor: get.parsed(header::ACTOR, "a person's UUID or \"system\"")?,
            correlation_id: get.uuid(header::CORRELATION_ID)?,
            causation_id: get.uuid(header::CAUSATION_ID)?,
            traceparent: get.optional(header::TRACEPARENT)?.map(str::to_owned),
            source: get.filled(header::SOURCE, "a URI reference")?,
        };
        let schema_fp = get.parsed(header::SCHEMA_FP, DIGEST)?;
        Ok((meta, schema_fp))
    }
}

const DIGEST: &str = "a SHA-256 digest in 64 hexadecimal digits";
/// How much of a bad header's value an error repeats, in characters.
const SHOWN: usize = 80;

struct Lookup<F>(F);

impl<'a, F: Fn(&str) -> Option<&'a [u8]>> Lookup<F> {
    fn optional(&self, name: &'static str) -> Result<Option<&'a str>, HeaderError> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        str::from_utf8(value).map(Some).map_err(|_| invalid(name, &String::from_utf8_lossy(value), "UTF-8"))
    }

    fn required(&self, name: &'static str) -> Result<&'a str, HeaderError> {
        self.optional(name)?.ok_or(HeaderError::Missing { name })
    }

    fn filled(&self, name: &'static str, expected: &'static str) -> Result<String, HeaderError> {
        match self.required(name)? {
            "" => Err(invalid(name, "", expected)),
            value => Ok(value.to_owned()),
        }
    }

    fn parsed<T: FromStr>(&self, name: &'static str, expected: &'static str) -> Result<T, HeaderError> {
        let value = self.required(name)?;
        value.parse().map_err(|_| invalid(name, value, expected))
    }

    fn uuid(&self, name: &'static str) -> Result<Uuid, HeaderError> {
        self.parsed(name, "a UUID")
    }

    fn version(&self) -> Result<u64, HeaderError> {
        match self.parsed(header::VERSION, VERSION)? {
            0 => Err(invalid(header::VERSION, "0", VERSION)),
            version => Ok(version),
        }
    }

    fn time(&self) -> Result<DateTime<Utc>, HeaderError> {
        let value = self.required(header::TIME)?;
        DateTime::parse_from_rfc3339(value)
            .map(|time| truncate_to_millis(time.to_utc()))
            .map_err(|_| invalid(header::TIME, value, "a time in RFC 3339"))
    }
}

const VERSION: &str = "a whole number from 1";

fn invalid(name: &'static str, value: &str, expected: &'static str) -> HeaderError {
    HeaderError::Invalid { name, value: value.chars().take(SHOWN).collect(), expected }
}

impl fmt::Display for ActorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActorRef::Person(id) => id.fmt(f),
            ActorRef::System => f.write_str("system"),
        }
    }
}

impl FromStr for ActorRef {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "system" {
            return Ok(ActorRef::System);
        }
        text.parse().map(ActorRef::Person)
    }
}

impl TryFrom<String> for ActorRef {
    type Error = uuid::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ActorRef> for String {
    fn from(actor: ActorRef) -> Self {
        actor.to_string()
    }
}

#[cfg(test)]
mod tests;
