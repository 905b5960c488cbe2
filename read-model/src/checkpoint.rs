use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Projection, stored};

/// How far a projection has come in one partition: a reader's position in the log in plain fields, kept in the
/// collection [`Projection::checkpoints`] and written in the same transaction as the documents that it covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// [`Projection::checkpoint_id`].
    #[serde(rename = "_id")]
    pub id: String,
    /// Which log the offsets are of; every checkpoint of a database names the same.
    #[serde(with = "stored::u64_text")]
    pub log_id: u64,
    pub partition: u32,
    /// The offset after the last closed commit: everything below it is in the documents.
    pub next_offset: i64,
    /// The current epoch: the offset of its claim and the claim's nonce; both absent before the first claim.
    #[serde(default)]
    pub epoch_offset: Option<i64>,
    #[serde(default)]
    pub nonce: Option<String>,
    /// The `seq` that the epoch's next record must carry.
    pub next_seq: u64,
    /// The id of the record before `next_offset`, compared when reading resumes; absent at the log's beginning.
    #[serde(default)]
    pub last_record_id: Option<String>,
    #[serde(with = "stored::date")]
    pub updated_at: DateTime<Utc>,
    /// Counts the writes of this checkpoint: a writer replaces only the revision that it has read.
    pub rev: i64,
}

impl Checkpoint {
    /// Whether the record at `offset` of this partition is in the documents.
    pub fn covers(&self, offset: u64) -> bool {
        u64::try_from(self.next_offset).is_ok_and(|next| next > offset)
    }

    /// Whether this is a checkpoint of that projection and version.
    pub fn is_of(&self, projection: Projection) -> bool {
        self.id == projection.checkpoint_id(self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DOCUMENTS;
    use mongodb::bson;

    fn checkpoint(next_offset: i64) -> Checkpoint {
        Checkpoint {
            id: DOCUMENTS.checkpoint_id(4),
            log_id: u64::MAX,
            partition: 4,
            next_offset,
            epoch_offset: Some(9),
            nonce: Some("18446744073709551615".into()),
            next_seq: 2,
            last_record_id: Some("0197".into()),
            updated_at: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
            rev: 3,
        }
    }

    #[test]
    fn a_checkpoint_keeps_all_64_bits_of_the_log_id() {
        let document = bson::to_document(&checkpoint(12)).unwrap();
        assert_eq!(document.get_str("logId").unwrap(), u64::MAX.to_string());
        assert_eq!(bson::from_document::<Checkpoint>(document).unwrap(), checkpoint(12));
    }

    #[test]
    fn a_checkpoint_covers_the_offsets_below_its_next_one() {
        assert!(checkpoint(12).covers(11));
        assert!(!checkpoint(12).covers(12));
        assert!(!checkpoint(0).covers(0));
    }

    #[test]
    fn a_checkpoint_knows_its_projection_and_version() {
        assert!(checkpoint(1).is_of(DOCUMENTS));
        assert!(!checkpoint(1).is_of(Projection { version: 2, ..DOCUMENTS }));
    }
}
