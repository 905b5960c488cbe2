//! Given these events, when somebody makes this command, then that comes of it.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use event_schema::event::DomainEvent;
use event_schema::id::{CommentId, PersonId, PostId};
use event_schema::post::PostType;
use uuid::Uuid;

use super::comment::CommentCommand;
use super::like::LikeCommand;
use super::post::{PostCommand, PostContents, PostState};
use super::slug_reservation::SlugCommand;
use super::{Actor, AggregateState, Command, Context, Rejection, Rights, decide, evolve};

pub const READER: Actor = person(0x4EAD, Rights::READER);
pub const AUTHOR: Actor = person(0xA0, Rights::AUTHOR);
pub const OTHER_AUTHOR: Actor = person(0xA1, Rights::AUTHOR);
pub const EDITOR: Actor = person(0xED, Rights::EDITOR);
pub const ADMIN: Actor = person(0xAD, Rights::ADMIN);

pub const READER_ID: PersonId = PersonId::new(Uuid::from_u128(0x4EAD));
pub const AUTHOR_ID: PersonId = PersonId::new(Uuid::from_u128(0xA0));
pub const OTHER_AUTHOR_ID: PersonId = PersonId::new(Uuid::from_u128(0xA1));

/// The slug that reservations are of.
pub const SLUG: &str = "my-slug";

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

pub fn comment_id() -> CommentId {
    CommentId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_c0ff_eeee))
}

pub fn id_of(actor: &Actor) -> PersonId {
    match actor {
        Actor::Person { id, .. } => *id,
        Actor::System => panic!("the system is nobody"),
    }
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
    root: Option<AggregateState>,
    version: u64,
}

#[derive(Debug)]
pub struct Outcome {
    given: Given,
    decision: Result<Vec<DomainEvent>, Rejection>,
}

pub fn given_nothing() -> Given {
    Given { state: None, root: None, version: 0 }
}

pub fn given(events: impl IntoIterator<Item = DomainEvent>) -> Given {
    events.into_iter().fold(given_nothing(), |given, event| given.and(event))
}

impl Given {
    pub fn and(self, event: impl Into<DomainEvent>) -> Self {
        Self { state: Some(evolve(self.state, &event.into(), now())), version: self.version + 1, ..self }
    }

    /// The post that what follows is about.
    pub fn under(self, root: AggregateState) -> Self {
        Self { root: Some(root), ..self }
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
        self.judge(now, expected_version, actor, &Command::Post { id: id(), command })
    }

    pub fn when_like(self, actor: &Actor, command: LikeCommand) -> Outcome {
        self.judge(now(), None, actor.clone(), &like(actor, command))
    }

    pub fn when_like_seen(self, version: u64, actor: &Actor, command: LikeCommand) -> Outcome {
        self.judge(now(), Some(version), actor.clone(), &like(actor, command))
    }

    pub fn when_comment(self, actor: &Actor, command: CommentCommand) -> Outcome {
        self.judge(now(), None, actor.clone(), &comment(command))
    }

    pub fn when_comment_seen(self, version: u64, actor: &Actor, command: CommentCommand) -> Outcome {
        self.judge(now(), Some(version), actor.clone(), &comment(command))
    }

    pub fn when_slug(self, actor: Actor, command: SlugCommand) -> Outcome {
        self.when_slug_at(now(), actor, command)
    }

    pub fn when_slug_at(self, now: DateTime<Utc>, actor: Actor, command: SlugCommand) -> Outcome {
        self.judge(now, None, actor, &Command::Slug { slug: SLUG.to_owned(), command })
    }

    pub fn judge(self, now: DateTime<Utc>, expected_version: Option<u64>, actor: Actor, command: &Command) -> Outcome {
        let context = Context { actor, now, version: self.version, expected_version };
        let decision = decide(self.state.as_ref(), self.root.as_ref(), command, &context);
        Outcome { given: self, decision }
    }
}

/// A post of [`AUTHOR`] in each status.
pub fn draft_post() -> AggregateState {
    AggregateState::Post(given_nothing().when(AUTHOR, PostCommand::Create(new_post())).state())
}

pub fn published_post() -> AggregateState {
    after(draft_post(), PostCommand::Publish { published_at: None })
}

pub fn scheduled_post() -> AggregateState {
    after(draft_post(), PostCommand::Schedule { at: now() + chrono::Duration::days(1) })
}

pub fn deleted_post() -> AggregateState {
    after(published_post(), PostCommand::Delete)
}

fn after(post: AggregateState, command: PostCommand) -> AggregateState {
    let given = Given { state: Some(post), ..given_nothing() };
    AggregateState::Post(given.when(AUTHOR, command).state())
}

fn like(actor: &Actor, command: LikeCommand) -> Command {
    // Nobody but a person can be named.
    let person = if *actor == Actor::System { READER_ID } else { id_of(actor) };
    Command::Like { post: id(), person, command }
}

fn comment(command: CommentCommand) -> Command {
    Command::Comment { post: id(), id: comment_id(), command }
}

impl Outcome {
    #[track_caller]
    pub fn then(self, event: impl Into<DomainEvent>) -> Given {
        let event = event.into();
        assert_eq!(self.decision, Ok(vec![event.clone()]));
        self.given.and(event)
    }

    #[track_caller]
    pub fn then_all(self, events: impl IntoIterator<Item = DomainEvent>) -> Given {
        let events: Vec<_> = events.into_iter().collect();
        assert_eq!(self.decision.as_ref(), Ok(&events));
        events.into_iter().fold(self.given, Given::and)
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

    /// What was decided, and where that leads to.
    pub fn and_then_what(self) -> (Given, Result<Vec<DomainEvent>, Rejection>) {
        let events = self.decision.clone().unwrap_or_default();
        (events.into_iter().fold(self.given, |given, event| given.and(event)), self.decision)
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
