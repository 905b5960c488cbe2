//! Records of the log, and the headers that the claim protocol stamps on them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

mod headers;

pub use headers::Headers;
pub(crate) use headers::HeadersReader;

/// Names of the headers that the protocol reads. All values are UTF-8, numbers in decimal.
pub mod header {
    pub const RECORD_ID: &str = "ce_id";
    pub const RECORD_TYPE: &str = "ce_type";
    pub const EPOCH: &str = "epoch";
    pub const NONCE: &str = "nonce";
    pub const SEQ: &str = "seq";
    pub const COMMIT_ID: &str = "commit_id";
    pub const COMMIT_INDEX: &str = "commit_index";
    pub const COMMIT_COUNT: &str = "commit_count";
    pub const OWNER: &str = "owner";
    pub const GENERATION: &str = "generation";
    /// The value of [`RECORD_TYPE`] that makes a record a claim.
    pub const CLAIM_TYPE: &str = "groot.log.Claim";
}

/// One record as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    pub partition: u32,
    pub offset: u64,
    /// When the broker appended it, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Headers,
}

/// A record before the log has given it an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordDraft {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Headers,
}

impl RecordDraft {
    pub fn is_claim(&self) -> bool {
        self.headers.get(header::RECORD_TYPE) == Some(header::CLAIM_TYPE.as_bytes())
    }

    /// What the record takes of the size limit: key, value and headers, in bytes.
    pub fn size(&self) -> usize {
        let part = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        part(&self.key) + part(&self.value) + self.headers.size()
    }
}

/// A random number that tells one claim from every other, also across a log that was cut back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nonce(pub Uuid);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Nonce {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The reign of one claim over a partition: where the claim stands and which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch {
    pub offset: u64,
    pub nonce: Nonce,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.offset, self.nonce)
    }
}

/// A claim as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub epoch: Epoch,
    /// Who claimed: the name of an instance, the same for all its claims.
    pub owner: String,
    /// The generation of the consumer group in which the owner was assigned the partition.
    pub generation: i32,
}

/// What the protocol makes of a record before it looks at what came earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stamp {
    Claim {
        nonce: Nonce,
        owner: String,
        generation: i32,
    },
    Event(EventStamp),
    /// Not written by an owner, or with headers that cannot be read. It never counts.
    None,
}

/// Where an event stands in its epoch and in its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStamp {
    pub epoch: Epoch,
    /// 0, 1, 2.. within the epoch.
    pub seq: u64,
    pub commit: Uuid,
    pub index: u32,
    pub count: u32,
}

impl EventStamp {
    /// Adds the stamp to the headers of an event.
    pub fn write(&self, headers: &mut Headers) {
        headers.push_text(header::EPOCH, self.epoch.offset);
        headers.push_text(header::NONCE, self.epoch.nonce);
        headers.push_text(header::SEQ, self.seq);
        headers.push_text(header::COMMIT_ID, self.commit);
        headers.push_text(header::COMMIT_INDEX, self.index);
        headers.push_text(header::COMMIT_COUNT, self.count);
    }

    fn read(headers: &Headers) -> Option<Self> {
        Some(Self {
            epoch: Epoch { offset: headers.parse(header::EPOCH)?, nonce: headers.parse(header::NONCE)? },
            seq: headers.parse(header::SEQ)?,
            commit: headers.parse(header::COMMIT_ID)?,
            index: headers.parse(header::COMMIT_INDEX)?,
            count: headers.parse(header::COMMIT_COUNT)?,
        })
    }
}

/// The record that claims a partition. It has neither key nor value: all it says is in its headers.
pub fn claim(nonce: Nonce, owner: &str, generation: i32) -> RecordDraft {
    let mut headers = Headers::default();
    headers.push_text(header::RECORD_ID, nonce);
    headers.push(header::RECORD_TYPE, header::CLAIM_TYPE);
    headers.push_text(header::NONCE, nonce);
    headers.push(header::OWNER, owner);
    headers.push_text(header::GENERATION, generation);
    RecordDraft { key: None, value: None, headers }
}

impl LogRecord {
    /// Key, value and headers, in bytes.
    pub fn size(&self) -> usize {
        let part = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        part(&self.key) + part(&self.value) + self.headers.size()
    }

    /// What another copy of this record has otherwise.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let differs = [
            (self.offset != other.offset, "another offset"),
            (self.timestamp != other.timestamp, "another time"),
            (self.key != other.key, "another key"),
            (self.value != other.value, "another value"),
            (self.headers != other.headers, "other headers"),
        ];
        differs.into_iter().find_map(|(differs, what)| differs.then_some(what))
    }

    pub fn stamp(&self) -> Stamp {
        let headers = &self.headers;
        let stamp = if headers.get(header::RECORD_TYPE) == Some(header::CLAIM_TYPE.as_bytes()) {
            claim_stamp(headers)
        } else {
            EventStamp::read(headers).map(Stamp::Event)
        };
        stamp.unwrap_or(Stamp::None)
    }

    /// Tells this record at this place from any other, also from the same record appended again: a producer may send it
    /// once more after the log was cut back, and it may land at the offset that it had, over a different past. Its id is
    /// the same then, but not the time at which the broker appended it.
    ///
    /// The two are joined by exclusive or: one id with two times, or two random ids, give two marks.
    pub fn mark(&self) -> Uuid {
        Uuid::from_u128(self.id().as_u128() ^ u128::from(self.timestamp.cast_unsigned()))
    }

    /// Names the record for as long as it exists: its `ce_id`, or for a record that has none, a hash of what it holds.
    pub fn id(&self) -> Uuid {
        self.headers.parse(header::RECORD_ID).unwrap_or_else(|| hashed_id(self))
    }
}

fn claim_stamp(headers: &Headers) -> Option<Stamp> {
    Some(Stamp::Claim {
        nonce: headers.parse(header::NONCE)?,
        owner: headers.parse(header::OWNER)?,
        generation: headers.parse(header::GENERATION)?,
    })
}

fn hashed_id(record: &LogRecord) -> Uuid {
    let mut hash = Sha256::new();
    for part in [&record.key, &record.value] {
        // The length goes in first, so that no two different records feed the hash the same bytes.
        let part = part.as_deref().unwrap_or_default();
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(record.timestamp.to_be_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
