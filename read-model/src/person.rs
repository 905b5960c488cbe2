use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::stored;

/// A person with an account, in the collection [`crate::Projection::people`]. Somebody known only by a token has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    #[serde(rename = "_id", with = "stored::uuid_binary")]
    pub id: Uuid,
    pub name: String,
    #[serde(with = "stored::date")]
    pub created_at: DateTime<Utc>,
    /// How many events the person has.
    pub version: u64,
    /// Where the last event folded into this document stands in the log.
    pub partition: u32,
    pub offset: i64,
}
