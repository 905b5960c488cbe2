//! Who makes a command, and what they may do.

use event_schema::id::PersonId;
use event_schema::meta::ActorRef;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// A person with a token. There may be no Person aggregate for it: a token is enough to write.
    Person { id: PersonId, rights: Rights },
    /// Groot itself.
    System,
}

/// What a person may do: the role's rights, less those that the token leaves out. An instance that does not know a right
/// yet passes commands on without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rights {
    pub like_posts: bool,
    /// Writing comments, and changing and deleting one's own.
    pub comment: bool,
    /// Deleting comments of others.
    pub moderate_comments: bool,
    /// Writing posts whose author the person is.
    pub write_own_posts: bool,
    pub write_any_post: bool,
    /// Knowing of posts of others that are not published.
    pub read_any_post: bool,
    /// Setting a post's author and time of publication.
    pub attribute_posts: bool,
    pub manage_people: bool,
}

impl Rights {
    pub const READER: Self = Self {
        like_posts: true,
        comment: true,
        moderate_comments: false,
        write_own_posts: false,
        write_any_post: false,
        read_any_post: false,
        attribute_posts: false,
        manage_people: false,
    };
    pub const AUTHOR: Self = Self { write_own_posts: true, ..Self::READER };
    pub const EDITOR: Self = Self {
        moderate_comments: true,
        write_any_post: true,
        read_any_post: true,
        attribute_posts: true,
        ..Self::AUTHOR
    };
    pub const ADMIN: Self = Self { manage_people: true, ..Self::EDITOR };
}

impl Actor {
    /// How events name the actor.
    pub fn reference(&self) -> ActorRef {
        match self {
            Actor::Person { id, .. } => ActorRef::Person(*id),
            Actor::System => ActorRef::System,
        }
    }

    pub(super) fn rights(&self) -> Rights {
        match self {
            Actor::Person { rights, .. } => *rights,
            Actor::System => Rights::ADMIN,
        }
    }

    pub(super) fn is(&self, person: PersonId) -> bool {
        matches!(self, Actor::Person { id, .. } if *id == person)
    }
}
