//! Publishing under a slug that a person chose, as far as the post decides about it.

use event_schema::event::DomainEvent;
use event_schema::post::{PostCreated, PostDeleted, PostPublished, PostSlugRefused, PostUnpublished};

use super::PostCommand::{self, *};
use crate::domain::spec::*;
use crate::domain::{Actor, Denial, Rejection, Rule};

/// The version that a post has when nothing but its creation has happened to it.
const TOKEN: u64 = 1;

fn created() -> DomainEvent {
    let post = new_post();
    PostCreated {
        post_type: post.post_type,
        title: post.title,
        content: post.content,
        excerpt: post.excerpt,
        tags: post.tags,
        category: post.category,
        media: post.media,
        author_id: AUTHOR_ID,
        published_at: None,
    }
    .into()
}

fn published_as(slug: &str) -> PostPublished {
    PostPublished { slug: slug.into(), published_at: now(), scheduled: false }
}

fn check(slug: &str) -> PostCommand {
    CheckPublishAs { published_at: None, slug: slug.into() }
}

fn publish(slug: &str, token: u64) -> PostCommand {
    PublishAs { published_at: None, slug: slug.into(), token }
}

fn refuse(token: u64) -> PostCommand {
    RefuseSlug { slug: SLUG.into(), token }
}

fn refused(token: u64) -> PostSlugRefused {
    PostSlugRefused { slug: SLUG.into(), token }
}

const FIXED: Rejection = Rejection::RuleBroken(Rule::SlugIsFixed);
const LAPSED: Rejection = Rejection::RuleBroken(Rule::SlugReservationLapsed);
const IN_USE: Rejection = Rejection::RuleBroken(Rule::SlugIsInUse);

// Asking.

#[test]
fn asking_appends_nothing_and_is_judged_as_publishing_is() {
    given([created()]).when(AUTHOR, check(SLUG)).then_nothing_happens();
    given([created()]).when(OTHER_AUTHOR, check(SLUG)).then_refused(Rejection::Forbidden(Denial::WritePostsOfOthers));
    given([created()]).when_seen(2, AUTHOR, check(SLUG)).then_refused(Rejection::VersionMismatch { current: 1 });
    let time = Some(at("1790-01-01T00:00:00Z"));
    given([created()])
        .when(AUTHOR, CheckPublishAs { published_at: time, slug: SLUG.into() })
        .then_refused(Rejection::Forbidden(Denial::AttributePosts));
    given([created(), PostDeleted {}.into()])
        .when(AUTHOR, check(SLUG))
        .then_refused(Rejection::RuleBroken(Rule::DeletedPostsAreOnlyRestored));
    given_nothing().when(AUTHOR, check(SLUG)).then_refused(Rejection::NotFound);
}

// Publishing.

#[test]
fn a_draft_is_published_under_the_slug_that_was_chosen() {
    given([created()])
        .when(AUTHOR, publish(SLUG, TOKEN))
        .then(published_as(SLUG))
        .when(AUTHOR, publish(SLUG, TOKEN))
        .then_nothing_happens();
}

#[test]
fn an_editor_publishes_under_a_chosen_slug_and_another_time() {
    let time = at("1790-01-01T00:00:00Z");
    given([created()])
        .when(EDITOR, PublishAs { published_at: Some(time), slug: SLUG.into(), token: TOKEN })
        .then(PostPublished { published_at: time, ..published_as(SLUG) });
}

#[test]
fn a_post_keeps_the_slug_of_its_first_publication() {
    for first in [published_as("another-slug"), published_as("first-light-deadbeef")] {
        for command in [check(SLUG), publish(SLUG, TOKEN)] {
            given([created(), first.clone().into()]).when(AUTHOR, command.clone()).then_refused(FIXED);
            given([created(), first.clone().into(), PostUnpublished {}.into()])
                .when(AUTHOR, command)
                .then_refused(FIXED);
        }
    }
}

#[test]
fn a_post_that_was_unpublished_is_published_again_under_its_slug_whether_or_not_that_is_named() {
    for command in [publish(SLUG, TOKEN), Publish { published_at: None }] {
        given([created(), published_as(SLUG).into(), PostUnpublished {}.into()])
            .when(AUTHOR, check(SLUG))
            .then_nothing_happens()
            .when(AUTHOR, command)
            .then(published_as(SLUG));
    }
}

#[test]
fn a_schedule_publishes_under_the_slug_that_is_made_of_title_and_id() {
    let at = at("2026-04-01T00:00:00Z");
    given([created(), event_schema::post::PostScheduled { at }.into()])
        .when(Actor::System, PublishScheduled { at })
        .then(PostPublished { published_at: at, scheduled: true, ..published_as("first-light-deadbeef") })
        .when(AUTHOR, publish(SLUG, TOKEN))
        .then_refused(FIXED);
}

// Refusing.

#[test]
fn a_token_that_was_refused_publishes_nothing_and_neither_does_a_smaller_one() {
    let given = given([created()]).when(Actor::System, refuse(3)).then(refused(3));
    let given = given.when(AUTHOR, publish(SLUG, 3)).then_refused(LAPSED);
    let given = given.when(AUTHOR, publish(SLUG, 2)).then_refused(LAPSED);
    let given = given.when(AUTHOR, publish("another-slug", 3)).then_refused(LAPSED);
    given.when(AUTHOR, publish(SLUG, 4)).then(published_as(SLUG));
}

#[test]
fn a_token_is_refused_once_and_the_greatest_counts() {
    given([created()])
        .when(Actor::System, refuse(3))
        .then(refused(3))
        .when(Actor::System, refuse(3))
        .then_nothing_happens()
        .when(Actor::System, refuse(2))
        .then_nothing_happens()
        .when(Actor::System, refuse(4))
        .then(refused(4))
        .when(AUTHOR, publish(SLUG, 4))
        .then_refused(LAPSED);
}

#[test]
fn a_post_that_is_published_under_the_slug_does_not_refuse_it_whatever_became_of_the_post() {
    let published: DomainEvent = published_as(SLUG).into();
    for after in [None, Some(PostUnpublished {}.into()), Some(PostDeleted {}.into())] {
        let events = [created(), published.clone()].into_iter().chain(after);
        given(events).when(Actor::System, refuse(9)).then_refused(IN_USE);
    }
}

#[test]
fn a_post_with_another_slug_need_not_refuse_anything() {
    given([created(), published_as("another-slug").into()]).when(Actor::System, refuse(9)).then_nothing_happens();
}

#[test]
fn a_deleted_draft_refuses_as_well() {
    given([created(), PostDeleted {}.into()])
        .when(Actor::System, refuse(1))
        .then(refused(1))
        .when(AUTHOR, Restore)
        .and_then_what()
        .0
        .when(AUTHOR, publish(SLUG, 1))
        .then_refused(LAPSED);
}

#[test]
fn a_refusal_changes_nothing_else() {
    given([created()])
        .when(Actor::System, refuse(1))
        .then(refused(1))
        .when(AUTHOR, Publish { published_at: None })
        .then(published_as("first-light-deadbeef"));
}

#[test]
fn nobody_but_the_system_has_a_post_refuse_a_slug() {
    given([created()]).when(ADMIN, refuse(1)).then_refused(Rejection::Forbidden(Denial::SystemOnly));
}
