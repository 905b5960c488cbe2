//! Owners of one partition, on a real broker.

use std::time::Duration;

use event_log::kafka::{KafkaLog, MAX_RECORD_BYTES};
use event_log::owner::Told;
use event_log::reader::Skip;
use uuid::Uuid;

use super::driver::{Driver, commits, event, fold, voided};
use super::log;

#[tokio::test]
async fn an_owner_claims_serves_and_releases_what_it_proposed_in_order() {
    let (_, log) = log(1).await;
    let mut owner = Driver::serving(&log, 0, "a", 1).await;
    let proposed: Vec<Uuid> = (0..50).map(|_| Uuid::now_v7()).collect();
    for (number, commit) in proposed.iter().enumerate() {
        let events = (0..=number % 3).map(|index| event(format!("{number}/{index}")));
        owner.propose(*commit, events.collect());
    }
    owner.until_released(proposed[49]).await;
    drop(owner);

    let deliveries = fold(&log, 0).await;
    let released: Vec<Uuid> = deliveries.iter().flat_map(|d| &d.commits).map(|commit| commit.id).collect();
    assert_eq!(released, proposed);
    let claims: Vec<_> = deliveries.iter().flat_map(|d| &d.claims).map(|claim| claim.owner.as_str()).collect();
    assert_eq!(claims, ["a"]);
    let last = deliveries.iter().flat_map(|d| &d.commits).last().unwrap();
    assert_eq!(last.records[1].value.as_deref(), Some(&b"49/1"[..]));
    log.close().await;
}

#[tokio::test]
async fn what_a_deposed_owner_appends_never_counts_and_is_told_void() {
    let (config, log_a) = log(1).await;
    let log_b = KafkaLog::connect(&config).unwrap();
    let mut a = Driver::serving(&log_a, 0, "a", 1).await;
    let before = Uuid::now_v7();
    a.propose(before, vec![event("before")]);
    a.until_released(before).await;

    // The second claims while the first is not looking, and then the first writes on.
    let mut b = Driver::serving(&log_b, 0, "b", 2).await;
    let late = [Uuid::now_v7(), Uuid::now_v7()];
    a.propose(late[0], vec![event("late"), event("late")]);
    a.propose(late[1], vec![event("late")]);
    let told = a.until("the deposition", |told| matches!(told, Told::Deposed(_))).await;
    assert_eq!(voided(&told), late);
    assert!(matches!(told.last(), Some(Told::Deposed(claim)) if claim.owner == "b"));

    // What was told void gets into the log all the same.
    let mut late_records = 3;
    let all_late = |told: &Told| {
        late_records -= i32::from(*told == Told::Skipped(Skip::Epoch));
        late_records == 0
    };
    b.until("the late records", all_late).await;
    let after = Uuid::now_v7();
    b.propose(after, vec![event("after")]);
    b.until_released(after).await;
    let skipped = |d: &event_log::kafka::Delivery| d.skipped.clone();
    drop((a, b));
    let deliveries = fold(&log_b, 0).await;
    let released: Vec<Uuid> = deliveries.iter().flat_map(|d| &d.commits).map(|commit| commit.id).collect();
    assert_eq!(released, [before, after]);
    let skips: u64 = deliveries.iter().flat_map(skipped).filter(|(skip, _)| *skip == Skip::Epoch).map(|(_, n)| n).sum();
    assert_eq!(skips, 3);
    log_a.close().await;
    log_b.close().await;
}

#[tokio::test]
async fn past_its_deadline_the_epoch_ends_by_a_new_claim_and_every_commit_is_settled_as_readers_see_it() {
    let (_, log) = log(1).await;
    let mut owner = Driver::serving(&log, 0, "a", 1).await;
    let proposed: Vec<Uuid> = (0..20).map(|_| Uuid::now_v7()).collect();
    for commit in &proposed {
        owner.propose(*commit, vec![event("in doubt")]);
    }
    // Nothing has been read back yet: the producer is purged, with some of it sent and some not.
    owner.tick_after(Duration::from_secs(60));
    let told = owner.until("serving again", |told| matches!(told, Told::Serving(_))).await;
    let released: Vec<Uuid> =
        told.iter().filter_map(|t| if let Told::Released(c) = t { Some(c.id) } else { None }).collect();
    let void = voided(&told);
    let settled: Vec<Uuid> = released.iter().chain(&void).copied().collect();
    assert_eq!(settled, proposed, "each is released or void, in order");

    let after = Uuid::now_v7();
    owner.propose(after, vec![event("after")]);
    owner.until_released(after).await;
    drop(owner);
    let expected: Vec<Uuid> = released.into_iter().chain([after]).collect();
    assert_eq!(commits(&log, 0).await, expected);
    log.close().await;
}

#[tokio::test]
async fn a_record_that_the_producer_refuses_ends_the_epoch_and_is_void() {
    let (_, log) = log(1).await;
    let mut owner = Driver::serving(&log, 0, "a", 1).await;
    let (refused, after) = (Uuid::now_v7(), Uuid::now_v7());
    // The first record of the commit gets into the log, and its last never does.
    owner.propose(refused, vec![event("fits"), event(vec![7; 2 * MAX_RECORD_BYTES])]);
    let told = owner.until("serving again", |told| matches!(told, Told::Serving(_))).await;
    assert_eq!(voided(&told), [refused]);
    owner.propose(after, vec![event("after")]);
    owner.until_released(after).await;
    drop(owner);
    assert_eq!(commits(&log, 0).await, [after]);
    log.close().await;
}

#[tokio::test]
async fn a_successor_goes_on_after_what_its_predecessor_had_released() {
    let (_, log) = log(1).await;
    let mut first = Driver::serving(&log, 0, "a", 1).await;
    let commit = Uuid::now_v7();
    first.propose(commit, vec![event("one")]);
    first.until_released(commit).await;
    first.owner.release(&mut first.log);
    first.until("the release", |told| matches!(told, Told::Stopped { unsettled } if unsettled.is_empty())).await;
    drop(first);

    let mut second = Driver::new(&log, 0, "b", 7);
    second.assign(2);
    let told = second.until("serving", |told| matches!(told, Told::Serving(_))).await;
    assert!(
        told.iter().any(|told| matches!(told, Told::Released(c) if c.id == commit)),
        "it folded all before it served"
    );
    drop(second);
    log.close().await;
}
