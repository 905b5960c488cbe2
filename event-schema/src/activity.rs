//! What clients tell of what people do: facts that decide nothing, in a topic of their own.
//!
//! A record of that topic is one [`Activity`] as JSON, not Avro: it is kept for a week, has one writer and one reader, and neither
//! refers to it for longer (`docs/adr/011-activity-as-json.md`). What is added to it must have a default; what is there keeps its name
//! and meaning.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The kinds of activity that are counted. Events of the log are called `groot.…`, so that none is taken for the other.
///
/// A closed set: anybody may tell of activity, and every kind is a series that is kept for ever.
pub const ACTIVITY_TYPES: [&str; 6] = ["view", "read", "share", "click", "search", "download"];

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// One of [`ACTIVITY_TYPES`].
    #[serde(rename = "type")]
    pub activity_type: String,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub timestamp: DateTime<Utc>,
    /// The post that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_id: Option<Uuid>,
    /// Of a client, for as long as the client says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    #[serde(default)]
    pub personal: Origin,
}

/// From whom and from where it came: personal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Known by a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Two capital letters, of ISO 3166-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Activity {
    /// The value of the record that holds it.
    pub fn to_value(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts, numbers and maps of texts can always be written as JSON")
    }

    /// # Errors
    /// For what no version of this wrote.
    pub fn from_value(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Activity {
        Activity {
            activity_type: "view".to_owned(),
            timestamp: DateTime::from_timestamp_millis(1_790_000_000_123).unwrap(),
            post_id: Some(Uuid::from_u128(1)),
            session_id: Some("s-1".to_owned()),
            properties: BTreeMap::from([("referrer".to_owned(), "a/b".to_owned())]),
            personal: Origin {
                user_id: Some(Uuid::from_u128(2)),
                ip_address: Some("2001:db8::7".parse().unwrap()),
                user_agent: Some("Ağent/1.0".to_owned()),
                country: Some("DE".to_owned()),
                region: Some("BE".to_owned()),
            },
        }
    }

    /// What is written here was published: it has to be read for as long as records of it may be there.
    #[test]
    fn every_form_ever_published_is_read_as_what_it_said() {
        let published = r#"{"type":"view","timestamp":1790000000123,"postId":"00000000-0000-0000-0000-000000000001","sessionId":"s-1","properties":{"referrer":"a/b"},"personal":{"userId":"00000000-0000-0000-0000-000000000002","ipAddress":"2001:db8::7","userAgent":"Ağent/1.0","country":"DE","region":"BE"}}"#;
        assert_eq!(Activity::from_value(published.as_bytes()).unwrap(), full());
        assert_eq!(String::from_utf8(full().to_value()).unwrap(), published);
    }

    #[test]
    fn what_is_not_there_is_left_out_and_what_is_not_known_passed_over() {
        let least = r#"{"type":"view","timestamp":0,"later":[1]}"#;
        let activity = Activity::from_value(least.as_bytes()).unwrap();
        assert_eq!((activity.post_id, activity.personal), (None, Origin::default()));
    }
}
