//! Given these events, when somebody makes this command, then that comes of it.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use event_schema::event::DomainEvent;
use event_schema::id::{PersonId, PostId};
use event_schema::post::PostType;
use uuid::Uuid;

use super::post::{PostCommand, PostContents, PostState};
use super::{Actor, AggregateState, Command, Context, Rejection, Rights, decide, evolve};

pub const READER: Actor = person(0x4EAD, Rights::READER);
pub const AUTHOR: Actor = person(0xA0, Rights::AUTHOR);
pub const OTHER_AUTHOR: Actor = person(0xA1, Rights::AUTHOR);
pub const EDITOR: Actor = person(0xED, Rights::EDITOR);
pub const ADMIN: Actor = person(0xAD, Rights::ADMIN);

pub const AUTHOR_ID: PersonId = PersonId::new(Uuid::from_u128(0xA0));
pub const OTHER_AUTHOR_ID: PersonId = PersonId::new(Uuid::from_u128(0xA1));

/// The time at which everything happens, unless a test says otherwise.
pub fn now() -> DateTime<Utc> {
    at("2026-03-04T05:06:07.089Z")
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn id() -> PostId {
    PostId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_dead_beef))
}

pub fn new_post() -> PostContents {
    PostContents {
        post_type: PostType::Article,
        title: "First light".into(),
        content: "# Light".into(),
        excerpt: String::new(),
        tags: vec!["science".into()],
        category: String::new(),
        media: Vec::new(),
        author_id: None,
        published_at: None,
    }
}

#[derive(Debug)]
pub struct Given {
    state: Option<AggregateState>,
    version: u64,
}

#[derive(Debug)]
pub struct Outcome {
    given: Given,
    decision: Result<Vec<DomainEvent>, Rejection>,
}

pub fn given_nothing() -> Given {
    Given { state: None, version: 0 }
}

pub fn given(events: impl IntoIterator<Item = DomainEvent>) -> Given {
    events.into_iter().fold(given_nothing(), |given, event| given.and(event))
}

impl Given {
    pub fn and(self, event: impl Into<DomainEvent>) -> Self {
        Self { state: Some(evolve(self.state, &event.into(), now())), version: self.version + 1 }
    }

    pub fn when(self, actor: Actor, command: PostCommand) -> Outcome {
        self.when_at(now(), None, actor, command)
    }

    pub fn when_seen(self, version: u64, actor: Actor, command: PostCommand) -> Outcome {
        self.when_at(now(), Some(version), actor, command)
    }

    pub fn when_at(
        self,
        now: DateTime<Utc>,
        expected_version: Option<u64>,
        actor: Actor,
        command: PostCommand,
    ) -> Outcome {
        let context = Context { actor, now, version: self.version, expected_version };
        let command = Command::Post { id: id(), command };
        let decision = decide(self.state.as_ref(), &command, &context);
        Outcome { given: self, decision }
    }
}

impl Outcome {
    #[track_caller]
    pub fn then(self, event: impl Into<DomainEvent>) -> Given {
        let event = event.into();
        assert_eq!(self.decision, Ok(vec![event.clone()]));
        self.given.and(event)
    }

    #[track_caller]
    pub fn then_nothing_happens(self) -> Given {
        assert_eq!(self.decision, Ok(Vec::new()));
        self.given
    }

    #[track_caller]
    pub fn then_refused(self, rejection: Rejection) -> Given {
        assert_eq!(self.decision, Err(rejection));
        self.given
    }

    #[track_caller]
    pub fn then_invalid(self, field: &str, code: &str) {
        match self.decision {
            Err(Rejection::Invalid(errors)) => {
                let found: Vec<_> = errors.iter().map(|error| (error.field.as_str(), &*error.code)).collect();
                assert_eq!(found, [(field, code)]);
            }
            other => panic!("expected {field} to be {code}, got {other:?}"),
        }
    }

    /// The state after whatever was decided.
    #[track_caller]
    pub fn state(self) -> PostState {
        let events = self.decision.unwrap();
        let Given { state: Some(AggregateState::Post(state)), .. } =
            events.into_iter().fold(self.given, |given, event| given.and(event))
        else {
            panic!("there is no post")
        };
        state
    }
}

const fn person(id: u128, rights: Rights) -> Actor {
    Actor::Person { id: PersonId::new(Uuid::from_u128(id)), rights }
}
