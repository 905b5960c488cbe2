//! Records that count and are not projected: one that cannot be, the poison, and those of its key that wait behind it.
//!
//! All records of a key wait together, since whatever is computed of an aggregate needs its events in order, and a post's
//! comments and likes, which bear its key, need the post.

use event_log::record::LogRecord;
pub use read_model::Standing;
use serde::Serialize;

/// A parked record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub record: LogRecord,
    pub standing: Standing,
    /// Why it is parked.
    pub reason: String,
}

/// A key whose records are parked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parked {
    pub key: String,
    pub partition: u32,
    /// Where the first of them stands in the log.
    pub offset: u64,
    pub letters: u64,
    pub standing: Standing,
    /// Why the first is parked.
    pub reason: String,
}

/// The key by which records wait together.
pub fn key_of(record: &LogRecord) -> String {
    String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned()
}

impl DeadLetter {
    pub fn poison(record: LogRecord, reason: String) -> Self {
        Self { record, standing: Standing::Waiting, reason }
    }

    pub fn behind(record: LogRecord, first: u64) -> Self {
        Self::poison(record, format!("it follows the record at offset {first}, which is parked"))
    }

    pub fn key(&self) -> String {
        key_of(&self.record)
    }
}
