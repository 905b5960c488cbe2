//! A network on which everything takes longer than a command may.

use std::time::{Duration, Instant};

use event_log::kafka::read_all;
use groot_tests::faults::links::{Links, Stream};
use groot_tests::system::{PARTITIONS, System};
use groot_tests::waiting::until;
use serde_json::json;
use xtask::token::Role;

/// The way of this test, which no other test beside it takes.
const WAY: usize = 4;
/// Above the deadline of a command and of an append, 8 s.
const LATENCY: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_latency_above_the_deadline_leaves_few_claims_and_writes_go_on_after_it() {
    let (_beside, stack) = super::beside().await;
    let system = System::laid_out(stack, "slow").through(WAY).start().await;
    let log = super::log_of(&system, None);
    let author = system.caller(Role::Author);
    let links = Links::of_way(stack, WAY);
    let create = async |key: &str| {
        let body = json!({ "type": "note", "title": key, "content": "It *travels*." });
        system.create(&author, key, &body).await
    };
    let keys: Vec<String> = (0..18).map(|number| format!("post {number}")).collect();
    let mut told = Vec::new();
    let before = claims(&log).await;

    links.slow(Stream::ToBrokers, LATENCY).await;
    let began = Instant::now();
    let mut turns = keys.iter().cycle();
    while began.elapsed() < MINUTE {
        // All clients at once, each with another post, so that every partition has something pending all the time.
        let some: Vec<_> = turns.by_ref().take(keys.len()).collect();
        for answer in futures::future::join_all(some.iter().map(|key| create(key))).await {
            match answer.status {
                201 => told.push(answer.position().to_owned()),
                _ => drop(answer.expect_unavailable(&["outcome-unknown", "no-owner"])),
            }
        }
    }
    links.let_go(Stream::ToBrokers).await;
    for key in &keys {
        let done = until("the post to be written", async || {
            let answer = create(key).await;
            (answer.status == 201).then_some(answer)
        });
        told.push(done.await.position().to_owned());
    }
    // The deadline doubles with each claim that fails: 8, 16, 32 s. What the group takes away and gives back adds a few.
    let during: Vec<_> = claims(&log).await.iter().zip(&before).map(|(now, before)| now - before).collect();
    println!("claims by partition in a minute of latency above the deadline, and after it: {during:?}");
    assert!(during.iter().all(|claims| *claims <= 10), "{during:?}");
    log.close().await;
    system.assert_acknowledged(&told).await;
    assert_eq!(system.facts().await.len(), keys.len(), "each key is one post");
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}

async fn claims(log: &event_log::kafka::KafkaLog) -> Vec<usize> {
    let mut claims = vec![0; PARTITIONS as usize];
    read_all(log, |partition, delivery| claims[partition as usize] += delivery.claims.len()).await.unwrap();
    claims
}
