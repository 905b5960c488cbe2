use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::stored;

/// A comment as it stands after the event `version`, in the collection [`crate::Projection::comments`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    #[serde(rename = "_id", with = "stored::uuid_binary")]
    pub id: Uuid,
    #[serde(with = "stored::uuid_binary")]
    pub post_id: Uuid,
    #[serde(with = "stored::uuid_binary")]
    pub author_id: Uuid,
    /// Markdown, as it was written; empty once it is deleted, as is `html`.
    pub content: String,
    /// `content` rendered and sanitized: safe to put into a page as it is.
    pub html: String,
    #[serde(with = "stored::date")]
    pub created_at: DateTime<Utc>,
    #[serde(with = "stored::date")]
    pub updated_at: DateTime<Utc>,
    /// Deleted comments are not served; the document stays for the sake of its version.
    #[serde(default, with = "stored::optional_date")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// How many events the comment has: the version guard of the projection and what If-Match takes.
    pub version: u64,
    /// Where the last event folded into this document stands in the log.
    pub partition: u32,
    pub offset: i64,
}

/// What one person thinks of one post, in the collection [`crate::Projection::likes`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Like {
    #[serde(rename = "_id", with = "stored::uuid_binary")]
    pub id: Uuid,
    #[serde(with = "stored::uuid_binary")]
    pub post_id: Uuid,
    #[serde(with = "stored::uuid_binary")]
    pub person_id: Uuid,
    /// False where the like was taken back; the document stays for the sake of its version.
    pub liked: bool,
    /// Since when.
    #[serde(with = "stored::date")]
    pub since: DateTime<Utc>,
    pub version: u64,
    pub partition: u32,
    pub offset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson;

    #[test]
    fn comments_and_likes_come_back_from_bson_as_they_went_in() {
        let time = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let [id, post_id, person] = [1, 2, 3].map(Uuid::from_u128);
        let comment = Comment {
            id,
            post_id,
            author_id: person,
            content: "So *true*".into(),
            html: "<p>So <em>true</em></p>\n".into(),
            created_at: time,
            updated_at: time,
            deleted_at: None,
            version: 2,
            partition: 3,
            offset: 41,
        };
        assert_eq!(bson::from_slice::<Comment>(&bson::to_vec(&comment).unwrap()).unwrap(), comment);
        let like =
            Like { id, post_id, person_id: person, liked: true, since: time, version: 1, partition: 3, offset: 4 };
        let document = bson::to_document(&like).unwrap();
        assert_eq!(document["_id"], stored::id(id));
        assert_eq!(document["postId"], stored::id(post_id));
        assert_eq!(bson::from_document::<Like>(document).unwrap(), like);
    }
}
