//! Records that count and are not projected: one that cannot be, the poison, and those of its key that wait behind it.
//!
//! All records of a key wait together, since whatever is computed of an aggregate needs its events in order, and a post's
//! comments and likes, which bear its key, need the post.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use event_log::record::{Headers, LogRecord};
pub use read_model::Standing;
use read_model::{DeadLetterDoc, HeaderDoc};
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

/// Keys as their letters are gone through, those of a key in their order.
#[derive(Debug, Default)]
pub(crate) struct ByKey(BTreeMap<(u32, String), Parked>);

impl ByKey {
    /// One letter.
    pub(crate) fn add(&mut self, partition: u32, key: String, offset: u64, standing: Standing, reason: String) {
        let first = || Parked { key: key.clone(), partition, offset, letters: 0, standing, reason };
        self.0.entry((partition, key.clone())).or_insert_with(first).letters += 1;
    }

    /// By the place of their first.
    pub(crate) fn in_order(self) -> Vec<Parked> {
        let mut parked: Vec<_> = self.0.into_values().collect();
        parked.sort_by_key(|parked| (parked.partition, parked.offset));
        parked
    }
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

/// A letter as stores have it.
pub(crate) fn document(letter: &DeadLetter, parked_at: DateTime<Utc>) -> DeadLetterDoc {
    let record = &letter.record;
    let offset = i64::try_from(record.offset).unwrap_or(i64::MAX);
    let header =
        |(name, value): (&str, &[u8])| HeaderDoc { name: name.to_owned(), value: DeadLetterDoc::binary(value) };
    DeadLetterDoc {
        id: DeadLetterDoc::place(record.partition, offset),
        partition: record.partition,
        offset,
        key: letter.key(),
        standing: letter.standing,
        reason: letter.reason.clone(),
        appended_at: DateTime::from_timestamp_millis(record.timestamp).unwrap_or_default(),
        parked_at,
        value: record.value.as_deref().map(DeadLetterDoc::binary),
        headers: record.headers.iter().map(header).collect(),
    }
}

/// The letter of a stored one.
pub(crate) fn letter(stored: DeadLetterDoc) -> DeadLetter {
    let mut headers = Headers::default();
    for header in &stored.headers {
        headers.push(&header.name, &header.value.bytes);
    }
    let record = LogRecord {
        partition: stored.partition,
        offset: u64::try_from(stored.offset).unwrap_or_default(),
        timestamp: stored.appended_at.timestamp_millis(),
        key: Some(stored.key.into()),
        value: stored.value.map(|value| value.bytes.into()),
        headers,
    };
    DeadLetter { record, standing: stored.standing, reason: stored.reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_comes_back_from_its_document() {
        let mut headers = Headers::default();
        headers.push("ce_type", "groot.post.PostCreated");
        headers.push("nonce", [0, 159, 146, 150]);
        let record = LogRecord {
            partition: 3,
            offset: 41,
            timestamp: 1_700_000_000_123,
            key: Some("k".into()),
            value: Some(vec![0, 1, 2].into()),
            headers,
        };
        let poison = DeadLetter::poison(record, "it cannot be read".to_owned());
        assert_eq!(letter(document(&poison, Utc::now())), poison);
    }
}
