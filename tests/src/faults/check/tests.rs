//! The checker against histories made by hand: a true one passes, and each rule catches its lie.

use service::token::PositionToken;

use super::*;
use crate::faults::history::Operation;

const POST: Uuid = Uuid::from_u128(0xA);
const OTHER: Uuid = Uuid::from_u128(0xB);

fn position(offset: u64) -> PositionToken {
    PositionToken { log_id: 1, partition: 0, offset }
}

fn written(operation: u64, version: u64, offset: u64) -> Written {
    let command = Uuid::from_u128(u128::from(operation));
    Written { operation, command, aggregate: POST, versions: vec![version], position: position(offset) }
}

fn done(version: u64, offset: u64) -> Told {
    Told::Done { status: 200, aggregate: POST, version, position: position(offset) }
}

fn in_doubt() -> Told {
    Told::InDoubt { why: "outcome-unknown".to_owned() }
}

fn mismatch() -> Told {
    Told::Refused { status: 412, problem: "version-mismatch".to_owned() }
}

/// A run with nothing wrong: a create, an edit that asked for version 1, an edit in doubt that was acknowledged at its second
/// attempt, one that was refused, one in doubt that was never written, and publishing twice.
fn truth() -> (History, Vec<Written>) {
    let mut history = History::default();
    let operation = |kind, expected| Operation { kind, aggregate: Some(POST), expected };
    history.operations.extend([
        (1, Operation { kind: Kind::Create, aggregate: None, expected: None }),
        (2, operation(Kind::Edit, Some(1))),
        (3, operation(Kind::Edit, None)),
        (4, operation(Kind::Edit, Some(1))),
        (5, operation(Kind::Edit, None)),
        (6, operation(Kind::Publish, None)),
        (7, operation(Kind::Publish, None)),
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
    (history, vec![written(1, 1, 10), written(2, 2, 11), written(3, 3, 15), written(6, 4, 16)])
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
    log.push(written(5, 5, 17));
    assert_eq!(violations(&history, &log), []);
}

#[test]
fn an_acknowledged_commit_that_is_lost_is_caught() {
    catches(Rule::Acknowledged, |_, log| drop(log.pop()));
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
    catches(Rule::Versions, |_, log| log[2].versions = vec![2]);
    catches(Rule::Versions, |_, log| log[0].versions = vec![2]);
}

#[test]
fn an_operation_in_doubt_that_is_there_twice_is_caught() {
    catches(Rule::Once, |_, log| log.extend([written(5, 5, 17), written(5, 6, 18)]));
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
    catches(Rule::RefusedWroteNothing, |_, log| log.push(written(4, 5, 17)));
    catches(Rule::RefusedWroteNothing, |history, log| {
        history.attempts[4].told = Told::NotMade { problem: "no-owner".to_owned() };
        log.push(written(4, 5, 17));
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
    catches(Rule::AskedFor, |_, log| log.push(written(0, 5, 17)));
}

#[test]
fn publishing_what_was_not_published_there_is_caught() {
    catches(Rule::Acknowledged, |history, _| history.attempts[7].told = done(9, 16));
}

#[test]
fn an_answer_that_nobody_may_get_is_caught() {
    catches(Rule::Answers, |history, _| {
        history.attempts[5].told = Told::Broken { status: 500, problem: "internal".to_owned() };
    });
}
