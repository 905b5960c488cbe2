use chrono::{DateTime, Utc};
use mongodb::bson::{self, Binary, Bson, spec::BinarySubtype};
use serde::{Deserialize, Serialize};

use crate::stored;

/// A record that counts and is not projected, in the collection [`crate::Projection::dead_letters`]: one that cannot be, or
/// one that waits behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterDoc {
    /// [`DeadLetterDoc::place`]: a record parked twice meets itself.
    #[serde(rename = "_id")]
    pub id: String,
    pub partition: u32,
    pub offset: i64,
    /// The record's key: all records of one key wait together.
    pub key: String,
    /// Of the first letter of a key; what is asked for goes for all of them.
    pub standing: Standing,
    /// Why it is here.
    pub reason: String,
    /// When the broker appended the record.
    #[serde(with = "stored::date")]
    pub appended_at: DateTime<Utc>,
    #[serde(with = "stored::date")]
    pub parked_at: DateTime<Utc>,
    pub value: Option<Binary>,
    pub headers: Vec<HeaderDoc>,
}

/// What is to become of the records of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// They wait for an operator.
    Waiting,
    /// An operator wants them tried again.
    Retry,
    /// An operator wants them given up, and all that follow.
    Drop,
    /// They were given up.
    Dropped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeaderDoc {
    pub name: String,
    pub value: Binary,
}

impl DeadLetterDoc {
    /// `<partition>:<offset>`.
    pub fn place(partition: u32, offset: i64) -> String {
        format!("{partition}:{offset}")
    }

    /// As JSON, which has no bytes and no times: in MongoDB's notation for them.
    pub fn to_json(&self) -> bson::ser::Result<serde_json::Value> {
        Ok(bson::to_bson(self)?.into_canonical_extjson())
    }

    pub fn from_json(json: serde_json::Value) -> bson::de::Result<Self> {
        bson::from_bson(Bson::try_from(json).map_err(<bson::de::Error as serde::de::Error>::custom)?)
    }

    /// Bytes as they are stored.
    pub fn binary(bytes: &[u8]) -> Binary {
        Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
    }
}

impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Retry => "retry",
            Self::Drop => "drop",
            Self::Dropped => "dropped",
        }
    }
}
