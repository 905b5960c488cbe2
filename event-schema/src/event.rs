//! Every event there is.

use std::fmt;

use crate::person::{PersonCreated, PersonEvent};
use crate::post::{
    PostCreated, PostDeleted, PostEdited, PostEvent, PostPublished, PostRestored, PostScheduled,
    PostUnpublished,
};

/// A kind of aggregate; each has a namespace of its own for the names of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AggregateKind {
    Post,
    Person,
}

impl AggregateKind {
    pub const ALL: [AggregateKind; 2] = [AggregateKind::Post, AggregateKind::Person];

    pub const fn as_str(self) -> &'static str {
        match self {
            AggregateKind::Post => "post",
            AggregateKind::Person => "person",
        }
    }

    /// The Avro namespace of its events.
    pub const fn namespace(self) -> &'static str {
        match self {
            AggregateKind::Post => "groot.post",
            AggregateKind::Person => "groot.person",
        }
    }

    /// The kind of aggregate that an event of this type belongs to, also of a type that this build does not know.
    pub fn of_event_type(event_type: &str) -> Option<Self> {
        let (namespace, _) = event_type.rsplit_once('.')?;
        Self::ALL
            .into_iter()
            .find(|kind| kind.namespace() == namespace)
    }
}

impl fmt::Display for AggregateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainEvent {
    Post(PostEvent),
    Person(PersonEvent),
}

impl DomainEvent {
    /// The full Avro name, which is the CloudEvents type as well.
    pub const fn event_type(&self) -> &'static str {
        match self {
            DomainEvent::Post(event) => match event {
                PostEvent::Created(_) => "groot.post.PostCreated",
                PostEvent::Edited(_) => "groot.post.PostEdited",
                PostEvent::Published(_) => "groot.post.PostPublished",
                PostEvent::Unpublished(_) => "groot.post.PostUnpublished",
                PostEvent::Scheduled(_) => "groot.post.PostScheduled",
                PostEvent::Deleted(_) => "groot.post.PostDeleted",
                PostEvent::Restored(_) => "groot.post.PostRestored",
            },
            DomainEvent::Person(event) => match event {
                PersonEvent::Created(_) => "groot.person.PersonCreated",
            },
        }
    }

    pub const fn aggregate_kind(&self) -> AggregateKind {
        match self {
            DomainEvent::Post(_) => AggregateKind::Post,
            DomainEvent::Person(_) => AggregateKind::Person,
        }
    }

    /// The event's own fields as a JSON object, in camelCase, with times in RFC 3339.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            DomainEvent::Post(event) => match event {
                PostEvent::Created(event) => serde_json::to_value(event),
                PostEvent::Edited(event) => serde_json::to_value(event),
                PostEvent::Published(event) => serde_json::to_value(event),
                PostEvent::Unpublished(event) => serde_json::to_value(event),
                PostEvent::Scheduled(event) => serde_json::to_value(event),
                PostEvent::Deleted(event) => serde_json::to_value(event),
                PostEvent::Restored(event) => serde_json::to_value(event),
            },
            DomainEvent::Person(event) => match event {
                PersonEvent::Created(event) => serde_json::to_value(event),
            },
        }
        .expect("an event consists of texts, times, truth values and lists of them, all of which JSON has")
    }
}

macro_rules! into_domain_event {
    ($($struct:ident => $kind:ident($family:ident::$variant:ident)),+ $(,)?) => {$(
        impl From<$struct> for DomainEvent {
            fn from(event: $struct) -> Self {
                DomainEvent::$kind($family::$variant(event))
            }
        }
    )+};
}

into_domain_event! {
    PostCreated => Post(PostEvent::Created),
    PostEdited => Post(PostEvent::Edited),
    PostPublished => Post(PostEvent::Published),
    PostUnpublished => Post(PostEvent::Unpublished),
    PostScheduled => Post(PostEvent::Scheduled),
    PostDeleted => Post(PostEvent::Deleted),
    PostRestored => Post(PostEvent::Restored),
    PersonCreated => Person(PersonEvent::Created),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_of_a_type_says_which_aggregate_it_belongs_to() {
        let event = DomainEvent::from(PostDeleted {});
        assert_eq!(
            AggregateKind::of_event_type(event.event_type()),
            Some(event.aggregate_kind())
        );
        assert_eq!(
            AggregateKind::of_event_type("groot.person.PersonRenamedSomeDay"),
            Some(AggregateKind::Person)
        );
        assert_eq!(AggregateKind::of_event_type("groot.log.Claim"), None);
        assert_eq!(AggregateKind::of_event_type("PostCreated"), None);
    }
}
