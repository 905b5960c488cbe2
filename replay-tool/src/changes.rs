//! What an aggregate is, event by event: folded as the documents are, and compared.

use std::collections::BTreeMap;

use projectors::documents::fold::{Documents, apply};
use projectors::event::LoggedEvent;
use read_model::stored::plain_json;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// The state of one aggregate as its events come.
#[derive(Debug, Default)]
pub struct Unfolding {
    documents: Documents,
    before: Map<String, Value>,
}

/// A field of the state: what it was and what it became, null where it was not there.
pub type Changes = BTreeMap<String, Change>;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    pub from: Value,
    pub to: Value,
}

/// Where an event is, not what it did; and what follows from another field.
const NOT_SHOWN: [&str; 6] = ["_id", "version", "partition", "offset", "countedTo", "html"];

impl Unfolding {
    /// One event of the aggregate more: what it changes.
    pub fn apply(&mut self, event: &LoggedEvent) -> Changes {
        apply(&mut self.documents, event);
        let after = fields(&self.documents, event.meta.aggregate_id);
        let names = self.before.keys().chain(after.keys()).filter(|name| !NOT_SHOWN.contains(&name.as_str()));
        let value = |of: &Map<String, Value>, name: &str| of.get(name).cloned().unwrap_or_default();
        let changes = names
            .map(|name| (name.clone(), Change { from: value(&self.before, name), to: value(&after, name) }))
            .filter(|(_, change)| change.from != change.to)
            .collect();
        self.before = after;
        changes
    }
}

/// The aggregate as a document, if these have it.
pub fn document(documents: &Documents, aggregate: Uuid) -> Option<(&'static str, Value)> {
    let Documents { posts, comments, likes, people, .. } = documents;
    let plain = |kind, document: Result<Value, _>| document.ok().map(|document| (kind, document));
    None.or_else(|| posts.get(&aggregate).and_then(|post| plain("post", plain_json(post))))
        .or_else(|| comments.get(&aggregate).and_then(|comment| plain("comment", plain_json(comment))))
        .or_else(|| likes.get(&aggregate).and_then(|like| plain("like", plain_json(like))))
        .or_else(|| people.get(&aggregate).and_then(|person| plain("person", plain_json(person))))
}

fn fields(documents: &Documents, aggregate: Uuid) -> Map<String, Value> {
    match document(documents, aggregate) {
        Some((_, Value::Object(fields))) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_schema::event::DomainEvent;
    use event_schema::hash::CommandHash;
    use event_schema::meta::{ActorRef, EventMeta};
    use event_schema::post::{PostCreated, PostDeleted, PostEdited, PostType};
    use serde_json::json;

    fn event(version: u64, event: DomainEvent) -> LoggedEvent {
        let id = Uuid::from_u128(u128::from(version));
        let meta = EventMeta {
            id,
            event_type: event.event_type().to_owned(),
            aggregate_id: Uuid::from_u128(7),
            version,
            time: chrono::DateTime::from_timestamp_millis(version as i64).unwrap(),
            command_id: id,
            command_hash: CommandHash::of(b"x"),
            actor: ActorRef::System,
            correlation_id: id,
            causation_id: id,
            traceparent: None,
            source: "/test".to_owned(),
        };
        LoggedEvent { partition: 0, offset: version, meta, event }
    }

    #[test]
    fn an_event_is_shown_by_what_it_changes() {
        let created = PostCreated {
            post_type: PostType::Note,
            title: "On light".to_owned(),
            content: "It travels.".to_owned(),
            excerpt: String::new(),
            tags: Vec::new(),
            category: String::new(),
            media: Vec::new(),
            author_id: Uuid::from_u128(1).into(),
            published_at: None,
        };
        let mut unfolding = Unfolding::default();
        let first = unfolding.apply(&event(1, created.into()));
        assert_eq!(first["title"], Change { from: Value::Null, to: json!("On light") });
        assert_eq!(first["authorId"].to, json!(Uuid::from_u128(1)));
        assert!(!first.contains_key("html") && !first.contains_key("version"), "{first:?}");
        let edited = PostEdited { title: Some("On shade".to_owned()), ..PostEdited::default() };
        let second = unfolding.apply(&event(2, edited.into()));
        assert_eq!(second.keys().collect::<Vec<_>>(), ["title", "updatedAt"]);
        let third = unfolding.apply(&event(3, PostDeleted {}.into()));
        assert_eq!(third["status"], Change { from: json!("draft"), to: json!("deleted") });
    }
}
