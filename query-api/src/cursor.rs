//! Cursors: a place in one sorted and filtered list, as opaque text.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mongodb::bson::{Bson, DateTime, Document, doc};
use read_model::stored;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The last item that a client has seen: its sort key and, as two items may have the same key, its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    #[serde(rename = "k")]
    pub key: SortKey,
    #[serde(rename = "i")]
    pub id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SortKey {
    /// The item has no such time yet.
    #[serde(rename = "n")]
    None,
    /// Milliseconds since 1970, as the store keeps them.
    #[serde(rename = "t")]
    Time(i64),
    #[serde(rename = "s")]
    Text(String),
}

/// Why a text is no cursor of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a cursor of this list; send nextCursor of an answer exactly as it was given, with the same filters, \
     sortBy and sortOrder"
)]
pub struct CursorError;

const VERSION: u8 = 1;
const SUM: usize = 8;

impl Cursor {
    /// `list` names the list that the cursor is a place in: its order and its filters.
    pub fn encode(&self, list: &Value) -> String {
        seal(self, list)
    }

    /// Takes only what [`Cursor::encode`] made for the same list.
    pub fn decode(text: &str, list: &Value) -> Result<Self, CursorError> {
        unseal(text, list)
    }
}

/// A place in a list as opaque text.
pub fn seal(place: &impl Serialize, list: &Value) -> String {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, place).expect("a cursor is plain data and memory takes every write");
    let sum = checksum(&bytes, list);
    bytes.extend(sum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Takes only what [`seal`] made for the same list.
pub fn unseal<T: DeserializeOwned>(text: &str, list: &Value) -> Result<T, CursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
    let (body, sum) = bytes.split_last_chunk::<SUM>().ok_or(CursorError)?;
    if *sum != checksum(body, list) {
        return Err(CursorError);
    }
    match body.split_first() {
        Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|_| CursorError),
        _ => Err(CursorError),
    }
}

/// What `filter` finds behind the cursor, in a list that is sorted by `field` and by id.
///
/// The first condition bounds the walk along the index, the second passes over those of the same key that were seen.
/// Items without the sort key come first when ascending and last when descending, as the store sorts `null`; `$not` is
/// there because `$lte` alone would leave them out.
pub fn after(filter: Document, cursor: &Cursor, field: &str, descending: bool) -> Document {
    let key = match &cursor.key {
        SortKey::None => Bson::Null,
        SortKey::Time(millis) => DateTime::from_millis(*millis).into(),
        SortKey::Text(text) => text.into(),
    };
    let beyond = if descending { "$lt" } else { "$gt" };
    let next_id = doc! { beyond: stored::id(cursor.id) };
    let behind = match (&cursor.key, descending) {
        (SortKey::None, true) => doc! { field: Bson::Null, "_id": next_id },
        (SortKey::None, false) => {
            doc! { "$or": [{ field: { "$ne": Bson::Null } }, { "_id": next_id }] }
        }
        (_, true) => doc! {
            field: { "$not": { "$gt": &key } },
            "$or": [{ field: { "$ne": &key } }, { "_id": next_id }],
        },
        (_, false) => doc! {
            field: { "$gte": &key },
            "$or": [{ field: { "$ne": &key } }, { "_id": next_id }],
        },
    };
    doc! { "$and": [filter, behind] }
}

/// Covers the list as well: a cursor taken to another one would silently skip items there.
fn checksum(body: &[u8], list: &Value) -> [u8; SUM] {
    let digest = Sha256::new().chain_update(list.to_string()).chain_update([0]).chain_update(body).finalize();
    let mut sum = [0; SUM];
    sum.copy_from_slice(&digest[..SUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cursor() -> Cursor {
        Cursor { key: SortKey::Text("Ünïcode \u{1F600}".into()), id: Uuid::from_u128(5) }
    }

    #[test]
    fn a_cursor_reads_back_as_it_was() {
        for key in [SortKey::None, SortKey::Time(i64::MIN), SortKey::Time(-1), cursor().key] {
            let cursor = Cursor { key, id: Uuid::from_u128(5) };
            let text = cursor.encode(&json!(["a"]));
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
            assert_eq!(Cursor::decode(&text, &json!(["a"])), Ok(cursor));
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let text = cursor().encode(&json!(["a"]));
        assert_eq!(Cursor::decode(&text, &json!(["b"])), Err(CursorError));
    }

    #[test]
    fn the_filter_stays_in_force_behind_a_cursor() {
        let visible = doc! { "status": "published" };
        for descending in [true, false] {
            let after = after(visible.clone(), &cursor(), "title", descending);
            assert_eq!(after.get_array("$and").unwrap()[0], Bson::Document(visible.clone()));
        }
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let text = cursor().encode(&json!(["a"]));
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Cursor::decode(&changed, &json!(["a"])), Err(CursorError), "{index}");
        }
        for text in ["A", "AAAA", "not base64!"] {
            assert_eq!(Cursor::decode(text, &json!(["a"])), Err(CursorError));
        }
    }
}
