use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::stored;

/// One event of a post, in the collection [`crate::Projection::post_events`]: what `/history` serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostEventDoc {
    /// [`PostEventDoc::key`]: an event applied twice meets itself.
    #[serde(rename = "_id")]
    pub id: String,
    #[serde(with = "stored::uuid_binary")]
    pub post_id: Uuid,
    /// The version that the post has after this event, from 1.
    pub version: u64,
    /// The CloudEvents type, such as `groot.post.PostCreated`.
    #[serde(rename = "type")]
    pub event_type: String,
    #[serde(with = "stored::date")]
    pub time: DateTime<Utc>,
    /// Who did it, as the event's `actor` header has it.
    #[serde(default)]
    pub actor: Option<String>,
    /// The event's own fields as JSON, in camelCase.
    pub data: serde_json::Value,
    pub partition: u32,
    pub offset: i64,
}

impl PostEventDoc {
    /// `<postId>:<version>`.
    pub fn key(post_id: Uuid, version: u64) -> String {
        format!("{post_id}:{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson;

    #[test]
    fn an_event_comes_back_from_bson_with_its_json_unchanged() {
        let post_id = Uuid::from_u128(7);
        let event = PostEventDoc {
            id: PostEventDoc::key(post_id, 3),
            post_id,
            version: 3,
            event_type: "groot.post.PostEdited".into(),
            time: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
            actor: Some(Uuid::from_u128(8).to_string()),
            data: serde_json::json!({"title": "x", "tags": null, "scheduled": true, "n": 3, "media": ["a"]}),
            partition: 0,
            offset: 12,
        };
        assert_eq!(event.id, "00000000-0000-0000-0000-000000000007:3");
        let bytes = bson::to_vec(&event).unwrap();
        assert_eq!(bson::from_slice::<PostEventDoc>(&bytes).unwrap(), event);
        let document = bson::to_document(&event).unwrap();
        assert_eq!(bson::from_document::<PostEventDoc>(document).unwrap(), event);
    }
}
