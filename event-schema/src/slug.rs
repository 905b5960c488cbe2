//! The events of the reservation of a slug that a person chose: which post has it, or is about to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::PostId;
use crate::{time, version};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlugReserved {
    pub slug: String,
    pub post_id: PostId,
    /// The version of the post when it was asked.
    #[serde(with = "version")]
    pub token: u64,
    /// From then on another post may ask for it.
    #[serde(with = "time::millis")]
    pub until: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlugConfirmed {
    pub slug: String,
    pub post_id: PostId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlugReleased {
    pub slug: String,
    pub post_id: PostId,
    #[serde(with = "version")]
    pub token: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlugEvent {
    Reserved(SlugReserved),
    Confirmed(SlugConfirmed),
    Released(SlugReleased),
}
