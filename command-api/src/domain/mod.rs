//! What posts, comments, likes, people and chosen slugs are and what may be done with them: pure functions from state and command to events, and from
//! events to state. No IO, no clock and no randomness: times and ids are arguments.
//!
//! The order of judgement is the same for every command: may this person do such a thing at all, does the aggregate
//! exist, may the person do it to this one, is it the version the person saw, and then the rules of the aggregate.

mod actor;
pub mod comment;
pub mod fields;
pub mod like;
pub mod person;
pub mod post;
mod rejection;
pub mod slug_reservation;
#[cfg(test)]
pub(crate) mod spec;

use chrono::{DateTime, Utc};
use event_schema::event::{AggregateKind, DomainEvent};
use event_schema::id::{CommentId, PersonId, PostId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use actor::{Actor, Rights};
pub use rejection::{Denial, FieldError, Rejection, Rule};

/// An aggregate as its events made it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AggregateState {
    Post(post::PostState),
    Comment(comment::CommentState),
    Like(like::LikeState),
    Person(person::PersonState),
    Slug(slug_reservation::SlugState),
}

/// A valid command and the aggregate it is for. It crosses instances as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Post {
        id: PostId,
        command: post::PostCommand,
    },
    Comment {
        post: PostId,
        id: CommentId,
        command: comment::CommentCommand,
    },
    /// The like's id is made of both.
    Like {
        post: PostId,
        person: PersonId,
        command: like::LikeCommand,
    },
    Person {
        id: PersonId,
        command: person::PersonCommand,
    },
    /// The reservation's id is made of the slug.
    Slug {
        slug: String,
        command: slug_reservation::SlugCommand,
    },
}

/// What a decision rests on beside the state and the command.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    pub actor: Actor,
    /// The latest of the clock and the times of the last events of the aggregate and its root, in whole milliseconds.
    pub now: DateTime<Utc>,
    /// The number of events the aggregate has.
    pub version: u64,
    /// The version that the person saw, where one was named.
    pub expected_version: Option<u64>,
}

impl Command {
    pub fn aggregate_id(&self) -> Uuid {
        match self {
            Command::Post { id, .. } => id.as_uuid(),
            Command::Comment { id, .. } => id.as_uuid(),
            Command::Like { post, person, .. } => like::like_id(*post, *person),
            Command::Person { id, .. } => id.as_uuid(),
            Command::Slug { slug, .. } => slug_reservation::reservation_id(slug),
        }
    }

    /// The aggregate in whose partition this one stands, and whose state it is decided with; itself where it stands alone.
    pub fn root_id(&self) -> Uuid {
        match self {
            Command::Comment { post, .. } | Command::Like { post, .. } => post.as_uuid(),
            Command::Post { .. } | Command::Person { .. } | Command::Slug { .. } => self.aggregate_id(),
        }
    }

    /// The bytes of the one text in a command that may be long.
    pub fn content_bytes(&self) -> usize {
        use comment::CommentCommand;
        use post::PostCommand;
        match self {
            Command::Post { command: PostCommand::Create(contents) | PostCommand::Replace(contents), .. } => {
                contents.content.len()
            }
            Command::Post { command: PostCommand::Edit(changes), .. } => {
                changes.content.as_ref().map_or(0, String::len)
            }
            Command::Comment { command: CommentCommand::Add { content }, .. } => content.len(),
            Command::Comment { command: CommentCommand::Edit { content }, .. } => {
                content.as_ref().map_or(0, String::len)
            }
            _ => 0,
        }
    }

    pub fn kind(&self) -> AggregateKind {
        match self {
            Command::Post { .. } => AggregateKind::Post,
            Command::Comment { .. } => AggregateKind::Comment,
            Command::Like { .. } => AggregateKind::Like,
            Command::Person { .. } => AggregateKind::Person,
            Command::Slug { .. } => AggregateKind::Slug,
        }
    }

    /// Whether the command is for a new aggregate alone. (The first like and the first reservation of a slug begin one too, but
    /// do not ask for that.)
    pub fn is_create(&self) -> bool {
        match self {
            Command::Post { command, .. } => matches!(command, post::PostCommand::Create(_)),
            Command::Comment { command, .. } => matches!(command, comment::CommentCommand::Add { .. }),
            Command::Like { .. } | Command::Slug { .. } => false,
            Command::Person { command, .. } => matches!(command, person::PersonCommand::Create { .. }),
        }
    }
}

/// The events that the command brings about; none if everything is already as it asks for. `root` is the state of
/// [`Command::root_id`], where that is another aggregate.
///
/// # Errors
/// Why the command is refused.
pub fn decide(
    state: Option<&AggregateState>,
    root: Option<&AggregateState>,
    command: &Command,
    context: &Context,
) -> Result<Vec<DomainEvent>, Rejection> {
    let create = command.is_create();
    match command {
        Command::Post { id, command } => {
            let state = match state {
                None => None,
                Some(AggregateState::Post(state)) => Some(state),
                Some(_) => return Err(taken_by_another_kind(create)),
            };
            post::decide(state, *id, command, context)
        }
        Command::Comment { post, command, .. } => {
            let state = match state {
                None => None,
                Some(AggregateState::Comment(state)) => Some(state),
                Some(_) => return Err(taken_by_another_kind(create)),
            };
            comment::decide(state, root, *post, command, context)
        }
        Command::Like { post, person, command } => {
            let state = match state {
                None => None,
                Some(AggregateState::Like(state)) => Some(state),
                Some(_) => return Err(taken_by_another_kind(create)),
            };
            like::decide(state, root, (*post, *person), *command, context)
        }
        Command::Person { command, .. } => {
            let state = match state {
                None => None,
                Some(AggregateState::Person(state)) => Some(state),
                Some(_) => return Err(taken_by_another_kind(create)),
            };
            person::decide(state, command, context)
        }
        Command::Slug { slug, command } => {
            let state = match state {
                None => None,
                Some(AggregateState::Slug(state)) => Some(state),
                Some(_) => return Err(taken_by_another_kind(create)),
            };
            slug_reservation::decide(state, slug, command, context)
        }
    }
}

/// The state after the event. It takes any event in any state: what is in the log has happened, and is never refused.
pub fn evolve(state: Option<AggregateState>, event: &DomainEvent, time: DateTime<Utc>) -> AggregateState {
    match (state, event) {
        (Some(AggregateState::Post(state)), DomainEvent::Post(event)) => {
            AggregateState::Post(post::evolve(Some(state), event, time))
        }
        (Some(AggregateState::Comment(state)), DomainEvent::Comment(event)) => {
            AggregateState::Comment(comment::evolve(Some(state), event))
        }
        (Some(AggregateState::Like(_)) | None, DomainEvent::Like(event)) => AggregateState::Like(like::evolve(event)),
        (Some(AggregateState::Person(state)), DomainEvent::Person(event)) => {
            AggregateState::Person(person::evolve(Some(state), event))
        }
        (Some(AggregateState::Slug(_)) | None, DomainEvent::Slug(event)) => {
            AggregateState::Slug(slug_reservation::evolve(event))
        }
        // An event of another kind under this id says nothing about the aggregate that has it.
        (Some(state), _) => state,
        (None, DomainEvent::Post(event)) => AggregateState::Post(post::evolve(None, event, time)),
        (None, DomainEvent::Comment(event)) => AggregateState::Comment(comment::evolve(None, event)),
        (None, DomainEvent::Person(event)) => AggregateState::Person(person::evolve(None, event)),
    }
}

/// When the aggregate wants [`due_command`] to be made, if it does.
pub fn due(state: &AggregateState) -> Option<DateTime<Utc>> {
    match state {
        AggregateState::Post(state) => state.due(),
        AggregateState::Comment(_) | AggregateState::Like(_) | AggregateState::Person(_) | AggregateState::Slug(_) => {
            None
        }
    }
}

/// What the system does with an aggregate that is due.
pub fn due_command(state_id: Uuid, at: DateTime<Utc>) -> Command {
    Command::Post { id: PostId::new(state_id), command: post::PostCommand::PublishScheduled { at } }
}

fn taken_by_another_kind(create: bool) -> Rejection {
    if create { Rejection::AlreadyExists } else { Rejection::NotFound }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::{ADMIN, at, comment_id, given_nothing, id, id_of, new_post, published_post};
    use comment::CommentCommand;
    use like::LikeCommand;
    use person::{PersonCommand, PersonState};
    use slug_reservation::{Holding, SlugCommand};

    fn context() -> Context {
        Context { actor: ADMIN, now: at("2026-01-01T00:00:00Z"), version: 1, expected_version: None }
    }

    fn reserve() -> SlugCommand {
        SlugCommand::Reserve { by: Holding { post: id(), token: 1 }, hold_millis: 1, refused: None }
    }

    #[test]
    fn an_id_that_a_person_has_is_no_post() {
        let person = AggregateState::Person(PersonState {});
        let post = |command| Command::Post { id: id(), command };
        assert_eq!(decide(Some(&person), None, &post(post::PostCommand::Delete), &context()), Err(Rejection::NotFound));
        assert_eq!(
            decide(Some(&person), None, &post(post::PostCommand::Create(new_post())), &context()),
            Err(Rejection::AlreadyExists)
        );
    }

    #[test]
    fn an_id_that_a_post_has_is_no_person() {
        let post = given_nothing().when(ADMIN, post::PostCommand::Create(new_post())).state();
        let command = Command::Person {
            id: PersonId::new(id().as_uuid()),
            command: PersonCommand::Create { name: "Ada".into() },
        };
        assert_eq!(
            decide(Some(&AggregateState::Post(post)), None, &command, &context()),
            Err(Rejection::AlreadyExists)
        );
    }

    #[test]
    fn an_id_of_another_kind_is_no_comment_and_no_like() {
        let post = published_post();
        let comment = |command| Command::Comment { post: id(), id: CommentId::new(id().as_uuid()), command };
        let decided = |command: &Command| decide(Some(&post), Some(&post), command, &context());
        assert_eq!(decided(&comment(CommentCommand::Delete)), Err(Rejection::NotFound));
        assert_eq!(decided(&comment(CommentCommand::Add { content: "c".into() })), Err(Rejection::AlreadyExists));
        let like = Command::Like { post: id(), person: id_of(&ADMIN), command: LikeCommand::Like };
        assert_eq!(decided(&like), Err(Rejection::NotFound));
        let slug = Command::Slug { slug: "a-slug".into(), command: SlugCommand::Confirm { post: id() } };
        assert_eq!(decided(&slug), Err(Rejection::NotFound));
    }

    #[test]
    fn every_event_of_a_command_has_the_key_that_the_command_was_routed_by() {
        let post = published_post();
        let commands = [
            Command::Post { id: id(), command: post::PostCommand::Create(new_post()) },
            Command::Comment { post: id(), id: comment_id(), command: CommentCommand::Add { content: "c".into() } },
            Command::Like { post: id(), person: id_of(&ADMIN), command: LikeCommand::Like },
            Command::Person { id: id_of(&ADMIN), command: PersonCommand::Create { name: "Ada".into() } },
            Command::Slug { slug: "a-slug".into(), command: reserve() },
        ];
        for command in commands {
            let events = decide(None, Some(&post), &command, &context()).unwrap();
            assert!(!events.is_empty(), "{command:?}");
            for event in events {
                assert_eq!(event.key(command.aggregate_id()), command.root_id(), "{command:?}");
            }
        }
    }

    #[test]
    fn a_command_reads_back_from_the_json_it_crosses_instances_in() {
        for command in [
            Command::Post { id: id(), command: post::PostCommand::Create(new_post()) },
            Command::Comment {
                post: id(),
                id: comment_id(),
                command: CommentCommand::Edit { content: Some("c".into()) },
            },
            Command::Like { post: id(), person: id_of(&ADMIN), command: LikeCommand::Unlike },
            Command::Slug { slug: "a-slug".into(), command: reserve() },
        ] {
            let json = serde_json::to_string(&command).unwrap();
            assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
        }
    }
}
