//! Properties of every sequence of commands and events.

use chrono::TimeDelta;
use event_schema::event::DomainEvent;
use event_schema::id::PostId;
use event_schema::slug::{SlugConfirmed, SlugReleased, SlugReserved};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Holding, SlugCommand, SlugState};
use crate::domain::spec::{SLUG, now};
use crate::domain::{Actor, AggregateState, Command, Context, Rejection, decide, evolve};

type At = (Option<AggregateState>, u64);

proptest! {
    #[test]
    fn a_repeated_command_decides_nothing(history in prop::collection::vec(command(), 0..10), repeated in command()) {
        let before = history.iter().fold((None, 0), |at, command| run(at, command).0);
        let (after, first) = run(before, &repeated);
        prop_assume!(first.is_ok());
        prop_assert_eq!(run(after, &repeated).1, Ok(Vec::new()));
    }

    #[test]
    fn a_confirmed_slug_never_goes_to_another_post(history in prop::collection::vec(command(), 1..30)) {
        let (mut at, mut owner): (At, Option<PostId>) = ((None, 0), None);
        for command in &history {
            at = run(at, command).0;
            if let Some(AggregateState::Slug(SlugState::Confirmed { post })) = at.0 {
                prop_assert_eq!(*owner.get_or_insert(post), post);
            } else {
                prop_assert_eq!(owner, None);
            }
        }
    }

    #[test]
    fn evolve_never_fails_on_any_sequence_of_events(events in prop::collection::vec(event(), 1..20)) {
        let state = events.iter().fold(None, |state, event| Some(evolve(state, event, now())));
        let json = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<Option<AggregateState>>(&json).unwrap(), state);
    }
}

fn run((state, version): At, command: &SlugCommand) -> (At, Result<Vec<DomainEvent>, Rejection>) {
    let context = Context { actor: Actor::System, now: now(), version, expected_version: None };
    let command = Command::Slug { slug: SLUG.to_owned(), command: command.clone() };
    let decision = decide(state.as_ref(), None, &command, &context);
    let events = decision.as_deref().unwrap_or_default();
    let version = version + events.len() as u64;
    let state = events.iter().fold(state, |state, event| Some(evolve(state, event, now())));
    ((state, version), decision)
}

fn post() -> impl Strategy<Value = PostId> {
    (1u128..4).prop_map(|id| PostId::new(Uuid::from_u128(id)))
}

fn holding() -> impl Strategy<Value = Holding> {
    (post(), 1u64..4).prop_map(|(post, token)| Holding { post, token })
}

fn command() -> impl Strategy<Value = SlugCommand> {
    prop_oneof![
        3 => (holding(), 0u32..2, prop::option::of(holding()))
            .prop_map(|(by, hold_millis, refused)| SlugCommand::Reserve { by, hold_millis, refused }),
        1 => post().prop_map(|post| SlugCommand::Confirm { post }),
        1 => holding().prop_map(SlugCommand::Release),
    ]
}

fn event() -> impl Strategy<Value = DomainEvent> {
    prop_oneof![
        (holding(), 0i64..2).prop_map(|(Holding { post, token }, millis)| SlugReserved {
            slug: SLUG.to_owned(),
            post_id: post,
            token,
            until: now() + TimeDelta::milliseconds(millis),
        }
        .into()),
        post().prop_map(|post_id| SlugConfirmed { slug: SLUG.to_owned(), post_id }.into()),
        holding()
            .prop_map(|Holding { post, token }| SlugReleased { slug: SLUG.to_owned(), post_id: post, token }.into()),
    ]
}
