//! The manifest of a range, and its place in the chain.

use std::fmt::Write as _;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::FORMAT;
use super::identity::log_id;
use crate::position::Position;
use crate::record::{Epoch, Nonce};

/// What is known of a range without its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub format: u32,
    #[serde(with = "log_id")]
    pub log_id: u64,
    pub topic: String,
    pub partition: u32,
    pub first_offset: u64,
    /// Of the last record, which is part of the range.
    pub last_offset: u64,
    pub records: u64,
    /// When the broker appended the first and the last record, in milliseconds since the Unix epoch.
    pub first_timestamp: i64,
    pub last_timestamp: i64,
    pub file: String,
    /// Of the file.
    pub bytes: u64,
    pub sha256: String,
    /// The SHA-256 of the manifest before, as it is stored; none before the first.
    pub previous: Option<String>,
    /// The mark of the last record ([`crate::record::LogRecord::mark`]), whether a position may stand behind it or not.
    pub last_mark: Uuid,
    /// Where a reader stands that has read the log up to the end of this range: before a commit that is open there.
    #[serde(with = "position")]
    pub position: Position,
    /// The schemas that values of the range which may count were written with.
    pub schemas: Vec<EmbeddedSchema>,
}

/// A schema as values name it, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedSchema {
    /// The id in the first bytes of values.
    pub id: u32,
    /// What the header `schema_fp` of their records says.
    pub fingerprint: String,
    pub schema: String,
}

/// A manifest as it is stored: what the next one refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub manifest: Manifest,
    pub sha256: String,
}

impl Manifest {
    /// Where the next range begins.
    pub fn end(&self) -> u64 {
        self.last_offset + 1
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Numbers, texts and lists cannot fail to be written as JSON.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8], partition: u32, first_offset: u64) -> Result<Self, String> {
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("cannot be read as a manifest: {error}"))?;
        if manifest.format > FORMAT {
            return Err(format!("has format {}, which a newer build reads", manifest.format));
        }
        if (manifest.partition, manifest.first_offset) != (partition, first_offset) {
            let Self { partition, first_offset, .. } = manifest;
            return Err(format!("is of partition {partition} from offset {first_offset} on"));
        }
        if manifest.last_offset < first_offset || manifest.records != manifest.end() - first_offset {
            return Err(format!("counts {} records from {first_offset} to {}", manifest.records, manifest.last_offset));
        }
        Ok(manifest)
    }
}

impl Link {
    pub(super) fn new(manifest: Manifest, bytes: &[u8]) -> Self {
        Self { manifest, sha256: hex(&Sha256::digest(bytes)) }
    }

    /// Whether this range is the one after `previous`; the first one has none before it.
    pub fn follows(&self, previous: Option<&Self>) -> bool {
        self.manifest.previous.as_deref() == previous.map(|link| link.sha256.as_str())
            && self.manifest.first_offset == previous.map_or(0, |link| link.manifest.end())
    }
}

/// `manifests/<partition>/<first offset>.json`
pub fn manifest_name(partition: u32, first_offset: u64) -> Path {
    manifest_folder(partition).join(format!("{first_offset:020}.json"))
}

pub(super) fn manifest_folder(partition: u32) -> Path {
    Path::from(format!("manifests/{partition:05}"))
}

/// The first offset that a manifest's name tells.
pub(super) fn first_offset_of(name: &Path) -> Option<u64> {
    name.filename()?.strip_suffix(".json")?.parse().ok()
}

/// The checksum is part of the name, so that two who write the same range write two files.
pub(super) fn file_name(partition: u32, first_offset: u64, sha256: &str) -> Path {
    let short = sha256.get(..16).unwrap_or(sha256);
    Path::from(format!("records/{partition:05}/{first_offset:020}-{short}.avro"))
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(2 * digest.len()), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The five facts by the names that checkpoints have for them.
mod position {
    use super::{Deserialize, Epoch, Nonce, Position, Serialize, Uuid};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Facts {
        next_offset: u64,
        epoch: Option<EpochFacts>,
        next_seq: u64,
        last_record: Option<Uuid>,
    }

    #[derive(Serialize, Deserialize)]
    struct EpochFacts {
        offset: u64,
        nonce: Uuid,
    }

    pub fn serialize<S: Serializer>(position: &Position, serializer: S) -> Result<S::Ok, S::Error> {
        let Position { next_offset, epoch, next_seq, last_record } = *position;
        let epoch = epoch.map(|Epoch { offset, nonce: Nonce(nonce) }| EpochFacts { offset, nonce });
        Facts { next_offset, epoch, next_seq, last_record }.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Position, D::Error> {
        let Facts { next_offset, epoch, next_seq, last_record } = Facts::deserialize(deserializer)?;
        let epoch = epoch.map(|EpochFacts { offset, nonce }| Epoch { offset, nonce: Nonce(nonce) });
        Ok(Position { next_offset, epoch, next_seq, last_record })
    }
}
