//! Which log an archive is of: `log.json` at its root, written once.

use serde::{Deserialize, Serialize};

use super::FORMAT;

/// What all ranges of an archive have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveIdentity {
    pub format: u32,
    #[serde(with = "log_id")]
    pub log_id: u64,
    /// As it was called when the archive began. A restored log may have another name and the same id.
    pub topic: String,
    pub partitions: u32,
}

impl ArchiveIdentity {
    pub fn new(log_id: u64, topic: &str, partitions: u32) -> Self {
        Self { format: FORMAT, log_id, topic: topic.to_owned(), partitions }
    }

    /// Whether both are of the same log, whatever it is called.
    pub fn is_of_the_same_log(&self, other: &Self) -> bool {
        self.log_id == other.log_id && self.partitions == other.partitions
    }

    pub fn log_id_text(&self) -> String {
        log_id::text(self.log_id)
    }
}

/// As the log itself writes it: sixteen hexadecimal digits. A number of 64 bits would lose some in other readers of JSON.
pub(super) mod log_id {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn text(log_id: u64) -> String {
        format!("{log_id:016x}")
    }

    pub fn serialize<S: Serializer>(log_id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*log_id))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(|_| D::Error::custom(format!("{text:?} is no log id")))
    }
}
