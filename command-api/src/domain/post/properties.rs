//! Properties of every sequence of events and commands.

use chrono::{DateTime, Utc};
use event_schema::event::DomainEvent;
use event_schema::id::PersonId;
use event_schema::person::PersonCreated;
use event_schema::post::{
    PostCreated, PostDeleted, PostEdited, PostPublished, PostRestored, PostScheduled, PostSlugRefused, PostType,
    PostUnpublished, RestoredStatus,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Change, PostChanges, PostCommand, PostContents, PostState};
use crate::domain::spec::{ADMIN, AUTHOR, EDITOR, OTHER_AUTHOR, READER, id, now};
use crate::domain::{Actor, AggregateState, Command, Context, Rejection, decide, evolve};

proptest! {
    #[test]
    fn a_repeated_command_decides_nothing(
        history in prop::collection::vec(command(), 0..8),
        (actor, repeated) in (actor(), command()),
    ) {
        let start = (Some(begin()), 1);
        let (state, version) = history.iter().fold(start, |at, command| run(at, &EDITOR, command).0);
        let ((state, version), first) = run((state, version), &actor, &repeated);
        prop_assume!(first.is_ok());
        let (_, second) = run((state, version), &actor, &repeated);
        // A deletion forbids what follows, the deletion itself included; everything else is as it was asked to be.
        prop_assert!(matches!(second.as_deref(), Ok([]) | Err(Rejection::RuleBroken(_))), "{second:?}");
    }

    #[test]
    fn evolve_never_fails_on_any_sequence_of_events(events in prop::collection::vec(event(), 1..20)) {
        let state = events.iter().fold(None, |state, event| Some(evolve(state, event, now())));
        let json = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<Option<AggregateState>>(&json).unwrap(), state);
    }

    #[test]
    fn deciding_never_fails_in_any_state_and_refuses_or_changes_something(
        events in prop::collection::vec(event(), 0..10),
        (actor, command) in (actor(), command()),
    ) {
        let state = events.iter().fold(None, |state, event| Some(evolve(state, event, now())));
        let before = state.clone();
        let ((after, _), decision) = run((state, events.len() as u64), &actor, &command);
        if decision.is_ok_and(|events| !events.is_empty()) {
            prop_assert_ne!(after, before);
        }
    }

    #[test]
    fn a_slug_once_given_never_changes(history in prop::collection::vec(command(), 1..20)) {
        let mut at = (Some(begin()), 1);
        let mut first: Option<String> = None;
        for command in &history {
            at = run(at, &EDITOR, command).0;
            if let Some(AggregateState::Post(PostState { slug: Some(slug), .. })) = &at.0 {
                prop_assert_eq!(first.get_or_insert_with(|| slug.clone()), slug);
            }
        }
    }
}

type At = (Option<AggregateState>, u64);

fn run((state, version): At, actor: &Actor, command: &PostCommand) -> (At, Result<Vec<DomainEvent>, Rejection>) {
    let context = Context { actor: actor.clone(), now: now(), version, expected_version: None };
    let command = Command::Post { id: id(), command: command.clone() };
    let decision = decide(state.as_ref(), None, &command, &context);
    let events = decision.as_deref().unwrap_or_default();
    let version = version + events.len() as u64;
    let state = events.iter().fold(state, |state, event| Some(evolve(state, event, now())));
    ((state, version), decision)
}

fn begin() -> AggregateState {
    let contents = crate::domain::spec::new_post();
    let command = Command::Post { id: id(), command: PostCommand::Create(contents) };
    let context = Context { actor: AUTHOR, now: now(), version: 0, expected_version: None };
    let events = decide(None, None, &command, &context).unwrap();
    evolve(None, &events[0], now())
}

fn actor() -> impl Strategy<Value = Actor> {
    prop::sample::select(vec![READER, AUTHOR, OTHER_AUTHOR, EDITOR, ADMIN, Actor::System])
}

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (-3i64..4).prop_map(|days| now() + chrono::Duration::days(days))
}

fn post_type() -> impl Strategy<Value = PostType> {
    prop::sample::select(PostType::ALL.to_vec())
}

fn person() -> impl Strategy<Value = PersonId> {
    (0xA0u128..0xA2).prop_map(|id| PersonId::new(Uuid::from_u128(id)))
}

fn text() -> impl Strategy<Value = String> {
    "[a-c ]{0,2}"
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-b]", 0..2)
}

fn media() -> impl Strategy<Value = Vec<Uuid>> {
    prop::collection::vec((0u128..2).prop_map(Uuid::from_u128), 0..2)
}

fn contents() -> impl Strategy<Value = PostContents> {
    (post_type(), text(), text(), text(), tags(), text(), media(), prop::option::of(person()), prop::option::of(time()))
        .prop_map(|(post_type, title, content, excerpt, tags, category, media, author_id, published_at)| PostContents {
            post_type,
            title,
            content,
            excerpt,
            tags,
            category,
            media,
            author_id,
            published_at,
        })
}

fn changes() -> impl Strategy<Value = PostChanges> {
    let time = prop_oneof![Just(Change::Keep), Just(Change::Clear), time().prop_map(Change::Set)];
    (
        prop::option::of(post_type()),
        prop::option::of(text()),
        prop::option::of(text()),
        prop::option::of(text()),
        prop::option::of(tags()),
        prop::option::of(text()),
        prop::option::of(media()),
        prop::option::of(person()),
        time,
    )
        .prop_map(|(post_type, title, content, excerpt, tags, category, media, author_id, published_at)| {
            PostChanges { post_type, title, content, excerpt, tags, category, media, author_id, published_at }
        })
}

fn slug() -> impl Strategy<Value = String> {
    "[a-b]"
}

fn command() -> impl Strategy<Value = PostCommand> {
    prop_oneof![
        contents().prop_map(PostCommand::Create),
        changes().prop_map(PostCommand::Edit),
        contents().prop_map(PostCommand::Replace),
        prop::option::of(time()).prop_map(|published_at| PostCommand::Publish { published_at }),
        (prop::option::of(time()), slug())
            .prop_map(|(published_at, slug)| PostCommand::CheckPublishAs { published_at, slug }),
        (prop::option::of(time()), slug(), 0u64..4).prop_map(|(published_at, slug, token)| PostCommand::PublishAs {
            published_at,
            slug,
            token
        }),
        (slug(), 0u64..4).prop_map(|(slug, token)| PostCommand::RefuseSlug { slug, token }),
        Just(PostCommand::Unpublish),
        time().prop_map(|at| PostCommand::Schedule { at }),
        Just(PostCommand::Delete),
        Just(PostCommand::Restore),
        time().prop_map(|at| PostCommand::PublishScheduled { at }),
    ]
}

fn event() -> impl Strategy<Value = DomainEvent> {
    let created = (contents(), person()).prop_map(|(contents, author_id)| {
        PostCreated {
            post_type: contents.post_type,
            title: contents.title,
            content: contents.content,
            excerpt: contents.excerpt,
            tags: contents.tags,
            category: contents.category,
            media: contents.media,
            author_id,
            published_at: contents.published_at,
        }
        .into()
    });
    let edited = (prop::option::of(text()), prop::option::of(person()), prop::option::of(time())).prop_map(
        |(content, author_id, published_at)| {
            PostEdited { content, author_id, published_at, ..PostEdited::default() }.into()
        },
    );
    prop_oneof![
        created,
        edited,
        (text(), time(), any::<bool>()).prop_map(|(slug, published_at, scheduled)| PostPublished {
            slug,
            published_at,
            scheduled
        }
        .into()),
        (text(), 0u64..4).prop_map(|(slug, token)| PostSlugRefused { slug, token }.into()),
        Just(DomainEvent::from(PostUnpublished {})),
        time().prop_map(|at| PostScheduled { at }.into()),
        Just(DomainEvent::from(PostDeleted {})),
        prop::sample::select(vec![RestoredStatus::Draft, RestoredStatus::Published])
            .prop_map(|status| PostRestored { status }.into()),
        text().prop_map(|name| PersonCreated { name }.into()),
    ]
}
