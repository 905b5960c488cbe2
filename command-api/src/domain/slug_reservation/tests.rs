use chrono::TimeDelta;
use event_schema::event::DomainEvent;
use event_schema::id::PostId;
use event_schema::slug::{SlugConfirmed, SlugReleased, SlugReserved};
use uuid::Uuid;

use super::{Holding, SlugCommand, reservation_id};
use crate::domain::spec::*;
use crate::domain::{Actor, Denial, Rejection, Rule};
use SlugCommand::{Confirm, Release};

const POST: PostId = PostId::new(Uuid::from_u128(1));
const OTHER: PostId = PostId::new(Uuid::from_u128(2));
const MINE: Holding = Holding { post: POST, token: 3 };
const THEIRS: Holding = Holding { post: OTHER, token: 7 };
const HOLD: u32 = 60_000;
const TAKEN: Rejection = Rejection::RuleBroken(Rule::SlugTaken);

fn reserve(by: Holding) -> SlugCommand {
    SlugCommand::Reserve { by, hold_millis: HOLD, refused: None }
}

fn reserve_after(refused: Holding, by: Holding) -> SlugCommand {
    SlugCommand::Reserve { by, hold_millis: HOLD, refused: Some(refused) }
}

fn reserved(by: Holding) -> DomainEvent {
    SlugReserved {
        slug: SLUG.into(),
        post_id: by.post,
        token: by.token,
        until: now() + TimeDelta::milliseconds(i64::from(HOLD)),
    }
    .into()
}

fn expired(by: Holding) -> DomainEvent {
    SlugReserved { slug: SLUG.into(), post_id: by.post, token: by.token, until: now() }.into()
}

fn confirmed(post: PostId) -> DomainEvent {
    SlugConfirmed { slug: SLUG.into(), post_id: post }.into()
}

fn released(by: Holding) -> DomainEvent {
    SlugReleased { slug: SLUG.into(), post_id: by.post, token: by.token }.into()
}

#[test]
fn a_slug_has_one_reservation_whoever_asks_for_it() {
    assert_eq!(reservation_id("my-slug"), reservation_id("my-slug"));
    assert_ne!(reservation_id("my-slug"), reservation_id("my-slug-2"));
    assert_eq!(reservation_id("my-slug").to_string(), "32166a72-fc7b-8c6f-872a-d3b10a094abe", "it is in the log");
}

// Reserving.

#[test]
fn a_slug_that_nobody_has_is_reserved_for_as_long_as_asked() {
    given_nothing().when_slug(AUTHOR, reserve(MINE)).then(reserved(MINE));
}

#[test]
fn a_slug_that_was_released_is_reserved_by_another_post() {
    given([reserved(MINE), released(MINE)]).when_slug(AUTHOR, reserve(THEIRS)).then(reserved(THEIRS));
}

#[test]
fn a_slug_that_is_reserved_is_taken() {
    given([reserved(THEIRS)]).when_slug(AUTHOR, reserve(MINE)).then_refused(TAKEN);
}

#[test]
fn a_slug_that_a_post_is_published_under_is_taken_for_ever() {
    for command in [reserve(MINE), reserve_after(THEIRS, MINE)] {
        given([expired(THEIRS), confirmed(OTHER)]).when_slug(AUTHOR, command).then_refused(TAKEN);
    }
}

#[test]
fn reserving_for_the_same_post_again_changes_nothing() {
    given([reserved(MINE)]).when_slug(AUTHOR, reserve(MINE)).then_nothing_happens();
    given([expired(MINE)]).when_slug(AUTHOR, reserve(MINE)).then_nothing_happens();
    given([reserved(MINE), confirmed(POST)]).when_slug(AUTHOR, reserve(MINE)).then_nothing_happens();
}

#[test]
fn a_later_attempt_of_the_same_post_goes_on_with_the_greater_token() {
    let later = Holding { token: MINE.token + 1, ..MINE };
    given([reserved(MINE)])
        .when_slug(AUTHOR, reserve(later))
        .then(reserved(later))
        .when_slug(AUTHOR, reserve(MINE))
        .then_nothing_happens();
}

#[test]
fn expiry_alone_frees_nothing_and_names_whom_to_ask() {
    given([expired(THEIRS)]).when_slug(AUTHOR, reserve(MINE)).then_refused(Rejection::ReservationExpired(THEIRS));
}

#[test]
fn a_reservation_is_expired_from_its_time_on_and_not_before() {
    let command = reserve(MINE);
    let just_before = now() - TimeDelta::milliseconds(1);
    given([expired(THEIRS)]).when_slug_at(just_before, AUTHOR, command).then_refused(TAKEN);
}

#[test]
fn a_reservation_whose_token_was_refused_goes_to_the_next_in_one_commit() {
    given([expired(THEIRS)])
        .when_slug(AUTHOR, reserve_after(THEIRS, MINE))
        .then_all([released(THEIRS), reserved(MINE)]);
}

#[test]
fn what_was_refused_of_another_token_or_another_post_frees_nothing() {
    let earlier = Holding { token: THEIRS.token - 1, ..THEIRS };
    let another = Holding { token: THEIRS.token, ..MINE };
    for refused in [earlier, another] {
        given([expired(THEIRS)])
            .when_slug(AUTHOR, reserve_after(refused, MINE))
            .then_refused(Rejection::ReservationExpired(THEIRS));
    }
}

// Confirming.

#[test]
fn a_reservation_is_confirmed_for_its_post_also_when_it_has_expired() {
    for event in [reserved(MINE), expired(MINE)] {
        given([event])
            .when_slug(Actor::System, Confirm { post: POST })
            .then(confirmed(POST))
            .when_slug(Actor::System, Confirm { post: POST })
            .then_nothing_happens();
    }
}

#[test]
fn nothing_is_confirmed_for_a_post_that_does_not_hold_it() {
    given_nothing().when_slug(Actor::System, Confirm { post: POST }).then_refused(TAKEN);
    for events in
        [vec![reserved(THEIRS)], vec![reserved(THEIRS), confirmed(OTHER)], vec![reserved(MINE), released(MINE)]]
    {
        given(events).when_slug(Actor::System, Confirm { post: POST }).then_refused(TAKEN);
    }
}

#[test]
fn nobody_but_the_system_confirms() {
    given([reserved(MINE)])
        .when_slug(ADMIN, Confirm { post: POST })
        .then_refused(Rejection::Forbidden(Denial::SystemOnly));
}

// Releasing.

#[test]
fn a_reservation_is_released_once() {
    given([reserved(MINE)])
        .when_slug(AUTHOR, Release(MINE))
        .then(released(MINE))
        .when_slug(AUTHOR, Release(MINE))
        .then_nothing_happens();
}

#[test]
fn releasing_what_another_attempt_or_another_post_holds_changes_nothing() {
    let later = Holding { token: MINE.token + 1, ..MINE };
    for events in [vec![], vec![reserved(later)], vec![reserved(THEIRS)], vec![reserved(MINE), confirmed(POST)]] {
        given(events).when_slug(AUTHOR, Release(MINE)).then_nothing_happens();
    }
}

#[test]
fn whoever_may_not_write_posts_reserves_and_releases_nothing() {
    for command in [reserve(MINE), Release(THEIRS), Confirm { post: POST }] {
        given([reserved(THEIRS)]).when_slug(READER, command).then_refused(Rejection::Forbidden(Denial::WritePosts));
    }
}
