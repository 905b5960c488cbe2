//! The checker against histories made by hand: a true one passes, and each rule catches its lie.

use service::token::PositionToken;

use super::*;
use crate::faults::history::Operation;

const POST: Uuid = Uuid::from_u128(0xA);
const OTHER: Uuid = Uuid::from_u128(0xB);
const LIKE: Uuid = Uuid::from_u128(0xC);
const RESERVATION: Uuid = Uuid::from_u128(0xF);
const COMMENT: Uuid = Uuid::from_u128(0xD);
const SLUG: &str = "a-title-0000000a";
const ANN: PersonId = PersonId::new(Uuid::from_u128(0xE));

fn position(offset: u64) -> PositionToken {
    PositionToken { log_id: 1, partition: 0, offset }
}

fn written(operation: u64, version: u64, offset: u64) -> Written {
    of(POST, operation, version, offset, What::Edited)
}

fn of(aggregate: Uuid, operation: u64, version: u64, offset: u64, what: What) -> Written {
    let command = Uuid::from_u128(u128::from(operation));
    let slug = matches!(what, What::Published | What::PublishedWhenDue { .. }).then(|| SLUG.to_owned());
    let events = vec![(version, what)];
    Written { operation, command, aggregate, post: POST, events, slug, position: position(offset) }
}

fn done(version: u64, offset: u64) -> Told {
    done_to(POST, version, offset)
}

fn done_to(aggregate: Uuid, version: u64, offset: u64) -> Told {
    Told::Done { status: 200, aggregate, version, position: position(offset) }
}

fn in_doubt() -> Told {
    Told::InDoubt { why: "outcome-unknown".to_owned() }
}

fn mismatch() -> Told {
    Told::Refused { status: 412, problem: "version-mismatch".to_owned() }
}

/// A run with nothing wrong: a create, an edit that asked for version 1, an edit in doubt that was acknowledged at its second
/// attempt, one that was refused, one in doubt that was never written, publishing twice; then the post is commented on, liked
/// twice, and not liked any more, twice; taken back, scheduled and published when due, deleted, and restored, twice. Another is published under
/// a chosen slug, one attempt at which was given up.
fn truth() -> (History, Vec<Written>) {
    let mut history = History::default();
    let operation = |kind, expected| Operation { kind, person: 0, post: Some(POST), comment: None, expected };
    history.operations.extend([
        (1, Operation { post: None, ..operation(Kind::Create, None) }),
        (2, operation(Kind::Edit, Some(1))),
        (3, operation(Kind::Edit, None)),
        (4, operation(Kind::Edit, Some(1))),
        (5, operation(Kind::Edit, None)),
        (6, operation(Kind::Publish, None)),
        (7, operation(Kind::Publish, None)),
        (8, operation(Kind::Comment, None)),
        (9, operation(Kind::Like, None)),
        (10, operation(Kind::Like, None)),
        (11, operation(Kind::Unlike, None)),
        (12, operation(Kind::Unlike, None)),
        (13, operation(Kind::Unpublish, None)),
        (14, operation(Kind::Schedule(7), None)),
        (15, operation(Kind::Delete, None)),
        (16, operation(Kind::Restore, None)),
        (17, operation(Kind::Restore, None)),
        (18, Operation { post: Some(OTHER), ..operation(Kind::PublishAs(1), None) }),
        (19, Operation { post: None, ..operation(Kind::Create, None) }),
        (20, Operation { post: Some(OTHER), ..operation(Kind::PublishAs(1), None) }),
    ]);
    let mut clock = 0;
    let mut told = |operation, told| {
        clock += 2;
        let (began, ended) = (Duration::from_secs(clock), Duration::from_secs(clock + 1));
        history.attempts.push(Attempt { operation, instance: 0, began, ended, told });
    };
    told(1, done(1, 10));
    told(2, done(2, 11));
    told(3, in_doubt());
    told(3, done(3, 15));
    told(4, mismatch());
    told(5, in_doubt());
    told(6, done(4, 16));
    told(7, done(4, 16));
    told(2, done(2, 11));
    told(8, done_to(COMMENT, 1, 20));
    told(9, done_to(LIKE, 1, 21));
    told(10, done_to(LIKE, 1, 21));
    told(11, done_to(LIKE, 2, 22));
    told(12, done_to(LIKE, 2, 22));
    told(13, done(5, 23));
    told(14, done(6, 24));
    told(15, done(8, 26));
    told(16, done(9, 27));
    told(17, done(9, 27));
    told(19, done_to(OTHER, 1, 28));
    told(18, in_doubt());
    told(18, done_to(OTHER, 3, 33));
    told(20, done_to(OTHER, 3, 33));
    let mut log = vec![
        of(POST, 1, 1, 10, What::Created),
        written(2, 2, 11),
        written(3, 3, 15),
        of(POST, 6, 4, 16, What::Published),
        of(COMMENT, 8, 1, 20, What::Commented),
        of(LIKE, 9, 1, 21, What::Liked(ANN)),
        of(LIKE, 11, 2, 22, What::Unliked(ANN)),
        of(POST, 13, 5, 23, What::Unpublished),
        of(POST, 14, 6, 24, What::Scheduled { at_millis: 7 }),
        Written { command: Uuid::from_u128(0x100), ..of(POST, 0, 7, 25, What::PublishedWhenDue { at_millis: 7 }) },
        of(POST, 15, 8, 26, What::Deleted),
        of(POST, 16, 9, 27, What::Restored { published: true }),
    ];
    let of_other = |operation, command, aggregate, version, offset, what| Written {
        post: aggregate,
        command: Uuid::from_u128(command),
        ..of(aggregate, operation, version, offset, what)
    };
    log.extend([
        of_other(19, 0x101, OTHER, 1, 28, What::Created),
        of_other(18, 0x102, RESERVATION, 1, 29, What::SlugStep),
        of_other(18, 0x103, OTHER, 2, 30, What::SlugStep),
        Written {
            events: vec![(2, What::SlugStep), (3, What::SlugStep)],
            ..of_other(18, 0x104, RESERVATION, 3, 32, What::SlugStep)
        },
        Written { slug: Some("chosen-1".to_owned()), ..of_other(18, 0x105, OTHER, 3, 33, What::Published) },
        of_other(18, 0x106, RESERVATION, 4, 34, What::SlugStep),
    ]);
    (history, log)
}

/// The attempt at this operation, of which there is one.
fn attempt(history: &mut History, operation: u64) -> &mut Attempt {
    history.attempts.iter_mut().find(|attempt| attempt.operation == operation).expect("it is there")
}

#[track_caller]
fn catches(rule: Rule, lie: impl FnOnce(&mut History, &mut Vec<Written>)) {
    let (mut history, mut log) = truth();
    lie(&mut history, &mut log);
    let found = violations(&history, &log);
    assert!(found.iter().any(|violation| violation.rule == rule), "{rule:?} is not among {found:#?}");
}

#[test]
fn the_truth_passes() {
    let (history, log) = truth();
    assert_eq!(violations(&history, &log), []);
}

#[test]
fn what_was_in_doubt_may_be_there_or_not() {
    let (history, mut log) = truth();
    log.push(written(5, 10, 40));
    assert_eq!(violations(&history, &log), []);
}

#[test]
fn an_acknowledged_commit_that_is_lost_is_caught() {
    catches(Rule::Acknowledged, |_, log| drop(log.remove(3)));
    catches(Rule::Acknowledged, |_, log| drop(log.remove(6)));
    catches(Rule::Acknowledged, |_, log| drop(log.remove(16)));
}

#[test]
fn an_acknowledgement_at_another_position_or_with_another_version_is_caught() {
    catches(Rule::Acknowledged, |history, _| history.attempts[0].told = done(1, 9));
    catches(Rule::Acknowledged, |history, _| history.attempts[0].told = done(2, 10));
}

#[test]
fn an_acknowledgement_for_another_aggregate_is_caught() {
    catches(Rule::Acknowledged, |_, log| log[0].aggregate = OTHER);
}

#[test]
fn one_version_acknowledged_to_two_operations_is_caught() {
    catches(Rule::OneForEachVersion, |history, _| history.attempts[5].told = done(2, 11));
}

#[test]
fn a_version_that_is_missing_or_twice_is_caught() {
    catches(Rule::Versions, |_, log| drop(log.remove(1)));
    catches(Rule::Versions, |_, log| log[2].events[0].0 = 2);
    catches(Rule::Versions, |_, log| log[0].events[0].0 = 2);
}

#[test]
fn an_operation_in_doubt_that_is_there_twice_is_caught() {
    let again = |written| Written { command: Uuid::from_u128(0x200), ..written };
    catches(Rule::Once, |_, log| log.extend([written(5, 10, 40), again(written(5, 11, 41))]));
    catches(Rule::Once, |_, log| log.push(again(of(OTHER, 18, 4, 40, What::Published))));
}

#[test]
fn one_command_for_two_operations_is_caught() {
    catches(Rule::Once, |_, log| log[3].command = log[2].command);
}

#[test]
fn a_retry_with_another_answer_is_caught() {
    catches(Rule::SameAnswer, |history, _| history.attempts[8].told = done(2, 12));
}

#[test]
fn a_refused_operation_that_was_written_is_caught() {
    catches(Rule::RefusedWroteNothing, |_, log| log.push(written(4, 5, 23)));
    catches(Rule::RefusedWroteNothing, |history, log| {
        history.attempts[4].told = Told::NotMade { problem: "no-owner".to_owned() };
        log.push(written(4, 5, 23));
    });
}

#[test]
fn a_write_over_another_version_than_the_one_asked_for_is_caught() {
    catches(Rule::ExpectedVersion, |history, _| {
        history.operations.get_mut(&2).expect("it is there").expected = Some(0);
    });
}

#[test]
fn an_order_against_real_time_is_caught() {
    // The edit that was in doubt is version 2, though the one that is version 3 was acknowledged before it began.
    catches(Rule::RealTime, |history, log| {
        for (attempt, told) in [(1, done(3, 15)), (3, done(2, 11)), (8, done(3, 15))] {
            history.attempts[attempt].told = told;
        }
        log[1] = written(3, 2, 11);
        log[2] = written(2, 3, 15);
    });
}

#[test]
fn two_at_the_same_time_may_stand_in_any_order() {
    let (mut history, mut log) = truth();
    history.attempts.retain(|attempt| attempt.operation <= 3);
    history.operations.retain(|operation, _| *operation <= 3);
    history.operations.get_mut(&2).expect("it is there").expected = None;
    for attempt in history.attempts.iter_mut().filter(|attempt| attempt.operation > 1) {
        (attempt.began, attempt.ended) = (Duration::from_secs(5), Duration::from_secs(9));
        if matches!(attempt.told, Told::Done { .. }) {
            attempt.told = if attempt.operation == 2 { done(3, 15) } else { done(2, 11) };
        }
    }
    log.truncate(3);
    log[1] = written(3, 2, 11);
    log[2] = written(2, 3, 15);
    assert_eq!(violations(&history, &log), []);
}

#[test]
fn what_nobody_asked_for_is_caught() {
    catches(Rule::AskedFor, |_, log| log.push(written(0, 5, 23)));
}

#[test]
fn publishing_what_was_not_published_there_is_caught() {
    catches(Rule::Acknowledged, |history, _| attempt(history, 7).told = done(9, 16));
    catches(Rule::Acknowledged, |history, _| attempt(history, 7).told = done(3, 15));
}

#[test]
fn a_like_that_changed_nothing_where_nothing_was_liked_is_caught() {
    // As the comment, and as the first publishing, left things; and after the like was taken back.
    for position in [20, 16] {
        catches(Rule::Acknowledged, |history, _| attempt(history, 10).told = done_to(LIKE, 0, position));
    }
    catches(Rule::Acknowledged, |history, _| attempt(history, 10).told = done_to(LIKE, 2, 22));
    catches(Rule::Acknowledged, |history, _| attempt(history, 12).told = done_to(LIKE, 1, 21));
}

#[test]
fn taking_back_what_was_never_liked_rests_on_the_post() {
    let (mut history, log) = truth();
    attempt(&mut history, 12).told = done_to(LIKE, 0, 16);
    assert_eq!(violations(&history, &log), []);
}

#[test]
fn a_second_like_of_a_person_is_caught() {
    catches(Rule::OneLike, |_, log| log[6].events = vec![(2, What::Liked(ANN))]);
    catches(Rule::OneLike, |_, log| log[5].events = vec![(1, What::Unliked(ANN))]);
    catches(Rule::OneLike, |_, log| {
        log[6].aggregate = OTHER;
        log[6].events = vec![(1, What::Unliked(ANN))];
    });
}

#[test]
fn a_comment_or_a_like_under_a_post_that_is_not_published_is_caught() {
    catches(Rule::Published, |_, log| log[3].events = vec![(4, What::Edited)]);
    for what in [What::Unpublished, What::Deleted, What::Restored { published: false }] {
        catches(Rule::Published, |_, log| log.insert(5, of(POST, 5, 5, 20, what)));
    }
}

#[test]
fn a_post_that_is_published_by_itself_and_was_not_scheduled_is_caught() {
    catches(Rule::Due, |_, log| drop(log.remove(8)));
    catches(Rule::Due, |_, log| log[8].events = vec![(6, What::Deleted)]);
    catches(Rule::Due, |_, log| log[9].operation = 16);
    // Before its time.
    catches(Rule::Due, |_, log| log[9].events = vec![(7, What::PublishedWhenDue { at_millis: 6 })]);
}

#[test]
fn a_scheduled_post_that_is_never_published_is_caught() {
    catches(Rule::Due, |_, log| drop(log.drain(9..12)));
    catches(Rule::Due, |_, log| log[11].events = vec![(9, What::Scheduled { at_millis: 7 })]);
}

#[test]
fn a_slug_that_two_posts_have_or_that_changes_or_was_not_chosen_is_caught() {
    catches(Rule::OneSlug, |_, log| {
        for place in [3, 9] {
            log[place].slug = Some("chosen-1".to_owned());
        }
    });
    catches(Rule::OneSlug, |_, log| log[16].slug = Some("chosen-2".to_owned()));
    catches(Rule::OneSlug, |_, log| log[9].slug = Some("another".to_owned()));
}

#[test]
fn what_changed_nothing_where_something_was_to_be_changed_is_caught() {
    // Restoring what is deleted, taking back what is scheduled.
    catches(Rule::Acknowledged, |history, _| attempt(history, 17).told = done(8, 26));
    catches(Rule::Acknowledged, |history, _| {
        history.operations.get_mut(&17).expect("it is there").kind = Kind::Unpublish;
        attempt(history, 17).told = done(6, 24);
    });
    // Under another slug than the one that is there, and over another version than the one asked for.
    let change = |history: &mut History, operation, change: fn(&mut Operation)| {
        change(history.operations.get_mut(&operation).expect("it is there"));
    };
    catches(Rule::Acknowledged, |history, _| change(history, 20, |operation| operation.kind = Kind::PublishAs(2)));
    catches(Rule::Acknowledged, |history, _| change(history, 17, |operation| operation.expected = Some(3)));
}

#[test]
fn what_cannot_be_done_to_a_post_as_it_is_is_caught() {
    catches(Rule::Status, |_, log| log[7].events = vec![(5, What::Published)]);
    catches(Rule::Status, |_, log| log[10].events = vec![(8, What::Edited)]);
    catches(Rule::Status, |_, log| log[11].events = vec![(9, What::Restored { published: false })]);
    catches(Rule::Status, |_, log| log[11].events = vec![(9, What::Edited)]);
}

#[test]
fn something_else_than_was_asked_for_or_of_another_is_caught() {
    catches(Rule::AskedFor, |_, log| log[1].events = vec![(2, What::Deleted)]);
    catches(Rule::AskedFor, |_, log| log[8].events = vec![(6, What::Scheduled { at_millis: 8 })]);
    catches(Rule::AskedFor, |_, log| log[1].aggregate = OTHER);
    catches(Rule::AskedFor, |_, log| log[4].post = OTHER);
}

#[test]
fn a_step_to_a_slug_that_nobody_chose_is_caught() {
    catches(Rule::AskedFor, |_, log| log[13].operation = 2);
    catches(Rule::AskedFor, |_, log| log[13].operation = 0);
}

#[test]
fn an_answer_that_nobody_may_get_is_caught() {
    catches(Rule::Answers, |history, _| {
        attempt(history, 5).told = Told::Broken { status: 500, problem: "internal".to_owned() };
    });
}
