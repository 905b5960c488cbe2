//! People. A person's name is personal: the state does not hold it.

use event_schema::event::DomainEvent;
use event_schema::person::{PersonCreated, PersonEvent};
use serde::{Deserialize, Serialize};

use super::{Context, Denial, Rejection};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonState {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PersonCommand {
    Create { name: String },
}

pub fn evolve(_state: Option<PersonState>, event: &PersonEvent) -> PersonState {
    match event {
        PersonEvent::Created(_) => PersonState {},
    }
}

pub fn decide(
    state: Option<&PersonState>,
    command: &PersonCommand,
    context: &Context,
) -> Result<Vec<DomainEvent>, Rejection> {
    if !context.actor.rights().manage_people {
        return Err(Rejection::Forbidden(Denial::ManagePeople));
    }
    match (command, state) {
        (PersonCommand::Create { .. }, Some(_)) => Err(Rejection::AlreadyExists),
        (PersonCommand::Create { name }, None) => Ok(vec![PersonCreated { name: name.clone() }.into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Actor;
    use crate::domain::spec::{ADMIN, AUTHOR, EDITOR, READER, at};

    fn create(state: Option<&PersonState>, actor: Actor) -> Result<Vec<DomainEvent>, Rejection> {
        let context = Context { actor, now: at("2026-01-01T00:00:00Z"), version: 0, expected_version: None };
        decide(state, &PersonCommand::Create { name: "Ada".into() }, &context)
    }

    #[test]
    fn an_admin_creates_a_person() {
        assert_eq!(create(None, ADMIN), Ok(vec![PersonCreated { name: "Ada".into() }.into()]));
    }

    #[test]
    fn nobody_but_an_admin_creates_a_person() {
        for actor in [READER, AUTHOR, EDITOR] {
            assert_eq!(create(None, actor), Err(Rejection::Forbidden(Denial::ManagePeople)));
        }
    }

    #[test]
    fn a_person_is_created_once() {
        let state = evolve(None, &PersonEvent::Created(PersonCreated { name: "Ada".into() }));
        assert_eq!(create(Some(&state), ADMIN), Err(Rejection::AlreadyExists));
    }
}
