use event_schema::comment::{CommentAdded, CommentDeleted, CommentEdited};
use event_schema::event::DomainEvent;
use event_schema::id::PostId;
use proptest::prelude::*;
use uuid::Uuid;

use super::CommentCommand::{self, *};
use crate::domain::spec::*;
use crate::domain::{Actor, AggregateState, Command, Denial, Rejection, Rights, Rule, evolve};

fn add() -> CommentCommand {
    Add { content: "So true".into() }
}

fn edit(content: &str) -> CommentCommand {
    Edit { content: Some(content.into()) }
}

/// By [`READER`].
fn added() -> DomainEvent {
    CommentAdded { post_id: id(), author_id: READER_ID, content: "So true".into() }.into()
}

fn edited(content: &str) -> DomainEvent {
    CommentEdited { post_id: id(), content: content.into() }.into()
}

fn deleted() -> DomainEvent {
    CommentDeleted { post_id: id() }.into()
}

fn every_command() -> [CommentCommand; 3] {
    [add(), edit("Not so true"), Delete]
}

fn restricted(actor: &Actor, change: impl Fn(&mut Rights)) -> Actor {
    let Actor::Person { id, mut rights } = actor.clone() else { panic!("the system has no token") };
    change(&mut rights);
    Actor::Person { id, rights }
}

// Adding.

#[test]
fn everybody_with_a_token_comments_on_a_published_post() {
    for actor in [READER, AUTHOR, OTHER_AUTHOR, EDITOR, ADMIN] {
        let event = CommentAdded { post_id: id(), author_id: id_of(&actor), content: "So true".into() };
        given_nothing().under(published_post()).when_comment(&actor, add()).then(event);
    }
}

#[test]
fn a_comment_is_somebodys() {
    let refused = Rejection::Forbidden(Denial::Comment);
    given_nothing().under(published_post()).when_comment(&Actor::System, add()).then_refused(refused);
}

#[test]
fn a_token_without_the_permission_comments_on_nothing_and_changes_nothing() {
    let mute = restricted(&READER, |rights| rights.comment = false);
    for command in every_command() {
        given([added()])
            .under(published_post())
            .when_comment(&mute, command)
            .then_refused(Rejection::Forbidden(Denial::Comment));
    }
}

#[test]
fn an_id_is_taken_once() {
    given([added()]).under(published_post()).when_comment(&READER, add()).then_refused(Rejection::AlreadyExists);
}

#[test]
fn there_is_no_comment_without_its_post() {
    for command in every_command() {
        given_nothing().when_comment(&ADMIN, command.clone()).then_refused(Rejection::NotFound);
        given([added()]).when_comment(&ADMIN, command).then_refused(Rejection::NotFound);
    }
}

#[test]
fn a_comment_that_was_never_added_is_not_found() {
    for command in [edit("x"), Delete] {
        given_nothing().under(published_post()).when_comment(&ADMIN, command).then_refused(Rejection::NotFound);
    }
}

#[test]
fn a_comment_is_found_under_its_own_post_alone() {
    let elsewhere = PostId::new(Uuid::from_u128(7));
    for command in [edit("x"), Delete] {
        let command = Command::Comment { post: elsewhere, id: comment_id(), command };
        given([added()]).under(published_post()).judge(now(), None, ADMIN, &command).then_refused(Rejection::NotFound);
    }
}

#[test]
fn an_unpublished_post_is_none_to_those_who_may_not_see_it_and_closed_to_the_others() {
    for (post, rule) in [
        (draft_post(), Rule::OnlyPublishedPostsTakeResponses),
        (scheduled_post(), Rule::OnlyPublishedPostsTakeResponses),
        (deleted_post(), Rule::DeletedPostsAreOnlyRestored),
    ] {
        for actor in [READER, OTHER_AUTHOR] {
            for command in every_command() {
                given([added()]).under(post.clone()).when_comment(&actor, command).then_refused(Rejection::NotFound);
            }
        }
        for actor in [AUTHOR, EDITOR, ADMIN] {
            let refused = Rejection::RuleBroken(rule);
            given_nothing().under(post.clone()).when_comment(&actor, add()).then_refused(refused.clone());
            if actor != AUTHOR {
                given([added()]).under(post.clone()).when_comment(&actor, Delete).then_refused(refused);
            }
        }
    }
}

// Editing.

#[test]
fn the_author_of_a_comment_edits_it() {
    given([added()]).under(published_post()).when_comment(&READER, edit("False")).then(edited("False"));
}

#[test]
fn nobody_else_edits_it_not_even_an_admin() {
    for actor in [AUTHOR, OTHER_AUTHOR, EDITOR, ADMIN] {
        given([added()])
            .under(published_post())
            .when_comment(&actor, edit("False"))
            .then_refused(Rejection::Forbidden(Denial::EditCommentsOfOthers));
    }
}

#[test]
fn an_edit_to_the_same_words_changes_nothing() {
    given([added()]).under(published_post()).when_comment(&READER, edit("So true")).then_nothing_happens();
    given([added()]).under(published_post()).when_comment(&READER, Edit { content: None }).then_nothing_happens();
    given([added(), edited("False")])
        .under(published_post())
        .when_comment(&READER, edit("False"))
        .then_nothing_happens();
}

// Deleting.

#[test]
fn the_author_of_a_comment_editors_and_admins_delete_it() {
    for actor in [READER, EDITOR, ADMIN] {
        given([added()]).under(published_post()).when_comment(&actor, Delete).then(deleted());
    }
    let only_moderates = restricted(&EDITOR, |rights| rights.comment = false);
    given([added()]).under(published_post()).when_comment(&only_moderates, Delete).then(deleted());
}

#[test]
fn nobody_else_deletes_it_not_even_the_author_of_the_post() {
    for actor in [AUTHOR, OTHER_AUTHOR, restricted(&EDITOR, |rights| rights.moderate_comments = false)] {
        given([added()])
            .under(published_post())
            .when_comment(&actor, Delete)
            .then_refused(Rejection::Forbidden(Denial::DeleteCommentsOfOthers));
    }
}

#[test]
fn a_deleted_comment_stays_deleted() {
    for command in [edit("x"), Delete] {
        given([added(), deleted()])
            .under(published_post())
            .when_comment(&READER, command)
            .then_refused(Rejection::RuleBroken(Rule::DeletedCommentsStayDeleted));
    }
}

// Versions.

#[test]
fn the_version_is_that_of_the_comment() {
    for command in [edit("x"), Delete] {
        given([added()])
            .under(published_post())
            .when_comment_seen(2, &READER, command)
            .then_refused(Rejection::VersionMismatch { current: 1 });
    }
    given([added()]).under(published_post()).when_comment_seen(1, &READER, edit("x")).then(edited("x"));
}

#[test]
fn authority_comes_before_the_version_and_the_version_before_the_rules() {
    given([added()])
        .under(published_post())
        .when_comment_seen(9, &AUTHOR, Delete)
        .then_refused(Rejection::Forbidden(Denial::DeleteCommentsOfOthers));
    given([added(), deleted()])
        .under(deleted_post())
        .when_comment_seen(9, &EDITOR, Delete)
        .then_refused(Rejection::VersionMismatch { current: 2 });
}

// Properties.

fn command() -> impl Strategy<Value = CommentCommand> {
    prop_oneof![
        "[a-c]".prop_map(|content| Add { content }),
        prop::option::of("[a-c]").prop_map(|content| Edit { content }),
        Just(Delete)
    ]
}

fn event() -> impl Strategy<Value = DomainEvent> {
    prop_oneof![
        "[a-c]".prop_map(|content| CommentAdded { post_id: id(), author_id: READER_ID, content }.into()),
        "[a-c]".prop_map(|content| CommentEdited { post_id: id(), content }.into()),
        Just(deleted()),
    ]
}

fn actor() -> impl Strategy<Value = Actor> {
    prop::sample::select(vec![READER, AUTHOR, EDITOR, ADMIN, Actor::System])
}

fn post() -> impl Strategy<Value = AggregateState> {
    prop::sample::select(vec![draft_post(), scheduled_post(), published_post(), deleted_post()])
}

proptest! {
    #[test]
    fn a_repeated_command_decides_nothing(
        events in prop::collection::vec(event(), 0..6),
        (actor, command) in (actor(), command()),
    ) {
        let given = given(events).under(published_post());
        let (given, first) = given.when_comment(&actor, command.clone()).and_then_what();
        if first.is_err() {
            return Ok(());
        }
        let (_, second) = given.when_comment(&actor, command).and_then_what();
        // An id is taken once and a deletion is for good; everything else is as it was asked to be.
        let nothing = matches!(
            second.as_deref(),
            Ok([]) | Err(Rejection::RuleBroken(_) | Rejection::AlreadyExists)
        );
        prop_assert!(nothing, "{second:?}");
    }

    #[test]
    fn deciding_never_fails_and_evolve_takes_every_event(
        events in prop::collection::vec(event(), 0..8),
        (post, actor, command) in (post(), actor(), command()),
    ) {
        let state = events.iter().fold(None, |state, event| Some(evolve(state, event, now())));
        let json = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<Option<AggregateState>>(&json).unwrap(), state);
        let _ = given(events).under(post).when_comment(&actor, command).and_then_what();
    }
}
