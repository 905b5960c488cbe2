//! What posts and people are and what may be done with them: pure functions from state and command to events, and from
//! events to state. No IO, no clock and no randomness: times and ids are arguments.
//!
//! The order of judgement is the same for every command: may this person do such a thing at all, does the aggregate
//! exist, may the person do it to this one, is it the version the person saw, and then the rules of the aggregate.

mod actor;
pub mod fields;
pub mod person;
pub mod post;
mod rejection;
#[cfg(test)]
mod spec;

use chrono::{DateTime, Utc};
use event_schema::event::{AggregateKind, DomainEvent};
use event_schema::id::{PersonId, PostId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use actor::{Actor, Rights};
pub use rejection::{Denial, FieldError, Rejection, Rule};

/// An aggregate as its events made it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all aggregates are posts, and a box would be an allocation for each"
)]
pub enum AggregateState {
    Post(post::PostState),
    Person(person::PersonState),
}

/// A valid command and the aggregate it is for. It crosses instances as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    Post { id: PostId, command: post::PostCommand },
    Person { id: PersonId, command: person::PersonCommand },
}

/// What a decision rests on beside the state and the command.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    pub actor: Actor,
    /// The later of the clock and the time of the aggregate's last event, in whole milliseconds.
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
            Command::Person { id, .. } => id.as_uuid(),
        }
    }

    pub fn kind(&self) -> AggregateKind {
        match self {
            Command::Post { .. } => AggregateKind::Post,
            Command::Person { .. } => AggregateKind::Person,
        }
    }

    /// Whether the command begins a new aggregate.
    pub fn is_create(&self) -> bool {
        match self {
            Command::Post { command, .. } => matches!(command, post::PostCommand::Create(_)),
            Command::Person { command, .. } => matches!(command, person::PersonCommand::Create { .. }),
        }
    }
}

/// The events that the command brings about; none if everything is already as it asks for.
///
/// # Errors
/// Why the command is refused.
pub fn decide(
    state: Option<&AggregateState>,
    command: &Command,
    context: &Context,
) -> Result<Vec<DomainEvent>, Rejection> {
    match command {
        Command::Post { id, command } => {
            let state = match state {
                Some(AggregateState::Post(state)) => Some(state),
                Some(AggregateState::Person(_)) => {
                    return Err(taken_by_another_kind(matches!(command, post::PostCommand::Create(_))));
                }
                None => None,
            };
            post::decide(state, *id, command, context)
        }
        Command::Person { command, .. } => {
            let state = match state {
                Some(AggregateState::Person(state)) => Some(state),
                Some(AggregateState::Post(_)) => return Err(taken_by_another_kind(true)),
                None => None,
            };
            person::decide(state, command, context)
        }
    }
}

/// The state after the event. It takes any event in any state: what is in the log has happened, and is never refused.
pub fn evolve(state: Option<AggregateState>, event: &DomainEvent, time: DateTime<Utc>) -> AggregateState {
    match (state, event) {
        (Some(AggregateState::Post(state)), DomainEvent::Post(event)) => {
            AggregateState::Post(post::evolve(Some(state), event, time))
        }
        (Some(AggregateState::Person(state)), DomainEvent::Person(event)) => {
            AggregateState::Person(person::evolve(Some(state), event))
        }
        // An event of another kind under this id says nothing about the aggregate that has it.
        (Some(state), _) => state,
        (None, DomainEvent::Post(event)) => AggregateState::Post(post::evolve(None, event, time)),
        (None, DomainEvent::Person(event)) => AggregateState::Person(person::evolve(None, event)),
    }
}

/// When the aggregate wants [`due_command`] to be made, if it does.
pub fn due(state: &AggregateState) -> Option<DateTime<Utc>> {
    match state {
        AggregateState::Post(state) => state.due(),
        AggregateState::Person(_) => None,
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
    use crate::domain::spec::{ADMIN, at, given_nothing, id, new_post};
    use person::{PersonCommand, PersonState};

    fn context() -> Context {
        Context { actor: ADMIN, now: at("2026-01-01T00:00:00Z"), version: 1, expected_version: None }
    }

    #[test]
    fn an_id_that_a_person_has_is_no_post() {
        let person = AggregateState::Person(PersonState {});
        let post = |command| Command::Post { id: id(), command };
        assert_eq!(decide(Some(&person), &post(post::PostCommand::Delete), &context()), Err(Rejection::NotFound));
        assert_eq!(
            decide(Some(&person), &post(post::PostCommand::Create(new_post())), &context()),
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
        assert_eq!(decide(Some(&AggregateState::Post(post)), &command, &context()), Err(Rejection::AlreadyExists));
    }

    #[test]
    fn a_command_reads_back_from_the_json_it_crosses_instances_in() {
        let command = Command::Post { id: id(), command: post::PostCommand::Create(new_post()) };
        let json = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
    }
}
