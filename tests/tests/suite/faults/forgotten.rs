//! Brokers that forget, a second after its last record, who wrote to a partition.

use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaLog};
use event_log::reader::Skip;
use groot_tests::faults::links::{Links, Stream};
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use serde_json::json;
use uuid::Uuid;
use xtask::token::Role;

use crate::kafka_log::driver::{Driver, commits, event};

/// The way of these tests, which no other test beside them takes.
const WAY: usize = 3;
/// The brokers of the cluster forget after 1 s, and look every 0.5 s.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_record_sent_again_to_brokers_that_forgot_its_producer_is_twice_in_the_log_and_counts_once() {
    let (_beside, stack) = super::beside().await;
    let config = super::log_of_its_own(stack).await;
    let direct = KafkaLog::connect(&config).unwrap();
    let log = KafkaLog::connect(&KafkaConfig { brokers: stack.addresses().ways[WAY].clone(), ..config }).unwrap();
    let links = Links::of_way(stack, WAY);
    let mut owner = Driver::serving(&log, 0, "a", 1).await;
    let proposed = [(); 4].map(|()| Uuid::now_v7());
    owner.propose(proposed[0], vec![event("before")]);
    owner.until_released(proposed[0]).await;
    let end = direct.end_offsets().await.unwrap()[0];

    // The record gets there, its acknowledgement does not come back, and then the connection breaks.
    links.hold(Stream::FromBrokers).await;
    owner.propose(proposed[1], vec![event("twice")]);
    until("the record in the log", async || {
        let ends = direct.end_offsets().await.unwrap();
        (ends[0] > end).then_some(())
    })
    .await;
    // Not a wait for anything to come: it is the silence after which brokers forget.
    tokio::time::sleep(FORGOTTEN_AFTER).await;
    links.cut().await;
    links.let_go(Stream::FromBrokers).await;
    links.mend().await;
    until("the record to be sent again", async || {
        let ends = direct.end_offsets().await.unwrap();
        (ends[0] > end + 1).then_some(())
    })
    .await;
    owner.until_released(proposed[1]).await;
    drop(owner);
    log.close().await;

    let mut next = Driver::serving(&direct, 0, "b", 2).await;
    for commit in &proposed[2..] {
        next.propose(*commit, vec![event("after"), event("after")]);
        next.until_released(*commit).await;
    }
    drop(next);
    assert_eq!(commits(&direct, 0).await, proposed);
    assert!(super::skipped(&direct, Skip::Seq).await > 0, "the second of the two is there");
    direct.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_were_idle_until_brokers_forgot_their_writers_are_written_on() {
    let (_beside, stack) = super::beside().await;
    let system = System::laid_out(stack, "idle").start().await;
    let author = system.caller(Role::Author);
    let mut positions = Vec::new();
    let mut posts = Vec::new();
    for number in 0..18 {
        let title = format!("post {number}");
        let body = json!({ "type": "note", "title": title, "content": "It *travels*." });
        let created = system.create(&author, &title, &body).await.expect(201);
        positions.push(created.position().to_owned());
        posts.push(format!("{POSTS}/{}", created.id()));
    }
    for round in 2..4 {
        // Not a wait for anything to come: it is the silence after which brokers forget.
        tokio::time::sleep(FORGOTTEN_AFTER).await;
        for post in &posts {
            let body = json!({ "title": format!("round {round}") });
            let edited = system.command("PATCH", post, &author, &[], Some(&body)).await.expect(200);
            assert_eq!(edited.body["version"], round);
            positions.push(edited.position().to_owned());
        }
    }
    system.assert_acknowledged(&positions).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}
