//! Every event there is.

use std::fmt;

use apache_avro::AvroResult;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use uuid::Uuid;

use crate::comment::{CommentAdded, CommentDeleted, CommentEdited, CommentEvent};
use crate::like::{LikeEvent, PostLiked, PostUnliked};
use crate::person::{PersonCreated, PersonEvent};
use crate::post::{
    PostCreated, PostDeleted, PostEdited, PostEvent, PostPublished, PostRestored, PostScheduled, PostSlugRefused,
    PostUnpublished,
};
use crate::slug::{SlugConfirmed, SlugEvent, SlugReleased, SlugReserved};

/// A kind of aggregate; each has a namespace of its own for the names of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AggregateKind {
    Post,
    /// Of one person under one post.
    Comment,
    /// Of one person for one post.
    Like,
    Person,
    /// Of a slug that a person chose: which post has it.
    Slug,
}

impl AggregateKind {
    pub const ALL: [AggregateKind; 5] =
        [AggregateKind::Post, AggregateKind::Comment, AggregateKind::Like, AggregateKind::Person, AggregateKind::Slug];

    pub const fn as_str(self) -> &'static str {
        match self {
            AggregateKind::Post => "post",
            AggregateKind::Comment => "comment",
            AggregateKind::Like => "like",
            AggregateKind::Person => "person",
            AggregateKind::Slug => "slug",
        }
    }

    /// The Avro namespace of its events.
    pub const fn namespace(self) -> &'static str {
        match self {
            AggregateKind::Post => "groot.post",
            AggregateKind::Comment => "groot.comment",
            AggregateKind::Like => "groot.like",
            AggregateKind::Person => "groot.person",
            AggregateKind::Slug => "groot.slug",
        }
    }

    /// The kind of aggregate that an event of this type belongs to, also of a type that this build does not know.
    pub fn of_event_type(event_type: &str) -> Option<Self> {
        let (namespace, _) = event_type.rsplit_once('.')?;
        Self::ALL.into_iter().find(|kind| kind.namespace() == namespace)
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
    Comment(CommentEvent),
    Like(LikeEvent),
    Person(PersonEvent),
    Slug(SlugEvent),
}

impl DomainEvent {
    /// The key of the event's record, which decides its partition: the root that its aggregate belongs to, or the
    /// aggregate itself where it is one. A root and all that belongs to it have one owner and one order.
    pub fn key(&self, aggregate_id: Uuid) -> Uuid {
        match self {
            DomainEvent::Comment(event) => event.post_id().as_uuid(),
            DomainEvent::Like(event) => event.post_id().as_uuid(),
            DomainEvent::Post(_) | DomainEvent::Person(_) | DomainEvent::Slug(_) => aggregate_id,
        }
    }
}

/// The schemas that an event has been published with, the first version first. The last one is written; every one is read.
#[derive(Debug)]
pub(crate) struct EventSchemas {
    pub event_type: &'static str,
    pub versions: &'static [&'static str],
}

/// The table of events: variant, Rust type, full Avro name, and the files of its schema versions, oldest first.
macro_rules! events {
    ($($kind:ident($family:ident) {
        $($variant:ident($event:ident) = $event_type:literal $versions:tt,)+
    })+) => {
        impl DomainEvent {
            /// The full Avro name, which is the CloudEvents type as well.
            pub const fn event_type(&self) -> &'static str {
                match self {
                    $($(DomainEvent::$kind($family::$variant(_)) => $event_type,)+)+
                }
            }

            pub const fn aggregate_kind(&self) -> AggregateKind {
                match self {
                    $(DomainEvent::$kind(_) => AggregateKind::$kind,)+
                }
            }

            /// The event's own fields as a JSON object, in camelCase, with times in RFC 3339.
            pub fn to_json(&self) -> serde_json::Value {
                match self {
                    $($(DomainEvent::$kind($family::$variant(event)) => serde_json::to_value(event),)+)+
                }
                .expect("an event consists of texts, times, truth values and lists of them, all of which JSON has")
            }

            /// Writes the event's own fields with a writer made from the current schema of its type.
            pub(crate) fn write_avro(&self, writer: &GenericDatumWriter<'_>, to: &mut Vec<u8>) -> AvroResult<usize> {
                match self {
                    $($(DomainEvent::$kind($family::$variant(event)) => writer.write_ser(to, event),)+)+
                }
            }

            /// Reads an event of this type with a reader made from the current schema of the type; `None` is a type that
            /// this build does not know.
            pub(crate) fn read_avro(event_type: &str, reader: &GenericDatumReader<'_>, from: &mut &[u8]) -> Option<AvroResult<Self>> {
                Some(match event_type {
                    $($($event_type => reader.read_deser::<$event>(from).map(Self::from),)+)+
                    _ => return None,
                })
            }
        }

        pub(crate) const SCHEMAS: &[EventSchemas] = &[
            $($(EventSchemas { event_type: $event_type, versions: &schema_files!($versions) },)+)+
        ];

        $($(
            impl From<$event> for DomainEvent {
                fn from(event: $event) -> Self {
                    DomainEvent::$kind($family::$variant(event))
                }
            }
        )+)+
    };
}

macro_rules! schema_files {
    ([$($file:literal),+]) => {
        [$(include_str!(concat!("../avro/", $file))),+]
    };
}

events! {
    Post(PostEvent) {
        Created(PostCreated) = "groot.post.PostCreated" ["post/PostCreated.v1.avsc"],
        Edited(PostEdited) = "groot.post.PostEdited" ["post/PostEdited.v1.avsc"],
        Published(PostPublished) = "groot.post.PostPublished" ["post/PostPublished.v1.avsc"],
        Unpublished(PostUnpublished) = "groot.post.PostUnpublished" ["post/PostUnpublished.v1.avsc"],
        Scheduled(PostScheduled) = "groot.post.PostScheduled" ["post/PostScheduled.v1.avsc"],
        Deleted(PostDeleted) = "groot.post.PostDeleted" ["post/PostDeleted.v1.avsc"],
        Restored(PostRestored) = "groot.post.PostRestored" ["post/PostRestored.v1.avsc"],
        SlugRefused(PostSlugRefused) = "groot.post.PostSlugRefused" ["post/PostSlugRefused.v1.avsc"],
    }
    Comment(CommentEvent) {
        Added(CommentAdded) = "groot.comment.CommentAdded" ["comment/CommentAdded.v1.avsc"],
        Edited(CommentEdited) = "groot.comment.CommentEdited" ["comment/CommentEdited.v1.avsc"],
        Deleted(CommentDeleted) = "groot.comment.CommentDeleted" ["comment/CommentDeleted.v1.avsc"],
    }
    Like(LikeEvent) {
        Liked(PostLiked) = "groot.like.PostLiked" ["like/PostLiked.v1.avsc"],
        Unliked(PostUnliked) = "groot.like.PostUnliked" ["like/PostUnliked.v1.avsc"],
    }
    Person(PersonEvent) {
        Created(PersonCreated) = "groot.person.PersonCreated" ["person/PersonCreated.v1.avsc"],
    }
    Slug(SlugEvent) {
        Reserved(SlugReserved) = "groot.slug.SlugReserved" ["slug/SlugReserved.v1.avsc"],
        Confirmed(SlugConfirmed) = "groot.slug.SlugConfirmed" ["slug/SlugConfirmed.v1.avsc"],
        Released(SlugReleased) = "groot.slug.SlugReleased" ["slug/SlugReleased.v1.avsc"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_of_a_type_says_which_aggregate_it_belongs_to() {
        let event = DomainEvent::from(PostDeleted {});
        assert_eq!(AggregateKind::of_event_type(event.event_type()), Some(event.aggregate_kind()));
        assert_eq!(AggregateKind::of_event_type("groot.person.PersonRenamedSomeDay"), Some(AggregateKind::Person));
        assert_eq!(AggregateKind::of_event_type("groot.log.Claim"), None);
        assert_eq!(AggregateKind::of_event_type("PostCreated"), None);
    }

    #[test]
    fn what_is_under_a_post_stands_in_the_partition_of_the_post() {
        let [own, post, person] = [1, 2, 3].map(Uuid::from_u128);
        let (post_id, person_id) = (post.into(), person.into());
        let under: [DomainEvent; 5] = [
            CommentAdded { post_id, author_id: person_id, content: "c".to_owned() }.into(),
            CommentEdited { post_id, content: "d".to_owned() }.into(),
            CommentDeleted { post_id }.into(),
            PostLiked { post_id, person_id }.into(),
            PostUnliked { post_id, person_id }.into(),
        ];
        for event in under {
            assert_eq!(event.key(own), post, "{event:?}");
        }
        assert_eq!(DomainEvent::from(PostDeleted {}).key(own), own);
        assert_eq!(DomainEvent::from(PersonCreated { name: "Ada".to_owned() }).key(own), own);
    }
}
