//! Cursors: a place in one sorted and filtered list, as opaque text.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use read_model::Post;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::params::{Filters, Order, SortBy};

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
    /// The post has no such time yet.
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
    /// The place just after this post.
    pub fn after(post: &Post, by: SortBy) -> Self {
        let key = match by {
            SortBy::CreatedAt => SortKey::Time(post.created_at.timestamp_millis()),
            SortBy::UpdatedAt => SortKey::Time(post.updated_at.timestamp_millis()),
            SortBy::PublishedAt => match post.published_at {
                Some(time) => SortKey::Time(time.timestamp_millis()),
                None => SortKey::None,
            },
            SortBy::Title => SortKey::Text(post.title.clone()),
        };
        Self { key, id: post.id }
    }

    pub fn encode(&self, order: Order, filters: &Filters) -> String {
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, self).expect("a cursor is plain data and memory takes every write");
        let sum = checksum(&bytes, order, filters);
        bytes.extend(sum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Takes only what [`Cursor::encode`] made for the same order and the same filters.
    pub fn decode(text: &str, order: Order, filters: &Filters) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let (body, sum) = bytes.split_last_chunk::<SUM>().ok_or(CursorError)?;
        if *sum != checksum(body, order, filters) {
            return Err(CursorError);
        }
        match body.split_first() {
            Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|_| CursorError),
            _ => Err(CursorError),
        }
    }
}

/// Covers the order and the filters as well: a cursor taken to another list would silently skip items there.
fn checksum(body: &[u8], order: Order, filters: &Filters) -> [u8; SUM] {
    let list = serde_json::json!([
        order.by.field(),
        order.descending,
        filters.author,
        filters.tag,
        filters.post_type,
        filters.statuses,
        filters.from,
        filters.to,
    ]);
    let digest = Sha256::new().chain_update(list.to_string()).chain_update([0]).chain_update(body).finalize();
    let mut sum = [0; SUM];
    sum.copy_from_slice(&digest[..SUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::tests::post;
    use read_model::PostStatus;

    const ORDER: Order = Order { by: SortBy::Title, descending: false };

    fn filters() -> Filters {
        Filters {
            author: None,
            tag: Some("war".into()),
            post_type: None,
            statuses: vec![PostStatus::Published],
            from: None,
            to: None,
        }
    }

    fn cursor() -> Cursor {
        Cursor { key: SortKey::Text("Ünïcode \u{1F600}".into()), id: Uuid::from_u128(5) }
    }

    #[test]
    fn a_cursor_reads_back_as_it_was() {
        for key in [SortKey::None, SortKey::Time(i64::MIN), SortKey::Time(-1), cursor().key] {
            let cursor = Cursor { key, id: Uuid::from_u128(5) };
            let text = cursor.encode(ORDER, &filters());
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
            assert_eq!(Cursor::decode(&text, ORDER, &filters()), Ok(cursor));
        }
    }

    #[test]
    fn a_cursor_of_another_order_or_other_filters_is_refused() {
        let text = cursor().encode(ORDER, &filters());
        let refused = |order, filters: Filters| assert_eq!(Cursor::decode(&text, order, &filters), Err(CursorError));
        refused(Order { descending: true, ..ORDER }, filters());
        refused(Order { by: SortBy::CreatedAt, ..ORDER }, filters());
        refused(ORDER, Filters { tag: None, ..filters() });
        refused(ORDER, Filters { author: Some(Uuid::nil()), ..filters() });
        refused(ORDER, Filters { statuses: vec![PostStatus::Draft], ..filters() });
        refused(ORDER, Filters { from: Some(chrono::DateTime::UNIX_EPOCH), ..filters() });
        refused(ORDER, Filters { to: Some(chrono::DateTime::UNIX_EPOCH), ..filters() });
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let text = cursor().encode(ORDER, &filters());
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Cursor::decode(&changed, ORDER, &filters()), Err(CursorError), "{index}");
        }
        for text in ["A", "AAAA", "not base64!"] {
            assert_eq!(Cursor::decode(text, ORDER, &filters()), Err(CursorError));
        }
    }

    #[test]
    fn a_post_never_published_has_a_place_too() {
        let draft = post(PostStatus::Draft, Uuid::nil());
        assert_eq!(Cursor::after(&draft, SortBy::PublishedAt).key, SortKey::None);
        assert_eq!(Cursor::after(&draft, SortBy::CreatedAt).key, SortKey::Time(0));
        assert_eq!(Cursor::after(&draft, SortBy::Title).key, SortKey::Text("A title".into()));
    }
}
