//! One partition that lacks in-sync replicas, beside others that do not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use groot_tests::client::Answer;
use groot_tests::system::{Caller, PARTITIONS, System};
use groot_tests::waiting::until;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::json;
use service::token::PositionToken;
use tokio::task::block_in_place;
use xtask::token::Role;

/// The partition that is on two brokers only, one of which goes.
const SHORT: u32 = 0;

#[tokio::test(flavor = "multi_thread")]
async fn one_partition_below_its_isr_minimum_waits_while_the_others_are_written() {
    let (_alone, stack) = super::alone().await;
    let mut layout = System::laid_out(stack, "below-isr");
    layout.kafka.replication_factor = 2;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &layout.kafka.brokers).create().unwrap();
    let mut replicas: Vec<&[i32]> = vec![&[1, 2]];
    replicas.resize(PARTITIONS as usize, &[1, 3]);
    // As command-api makes it, but for the replicas.
    let topic = NewTopic::new(&layout.kafka.events_topic, PARTITIONS as i32, TopicReplication::Variable(&replicas))
        .set("min.insync.replicas", "2")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("unclean.leader.election.enable", "false")
        .set("message.timestamp.type", "LogAppendTime")
        .set("max.message.bytes", "4259840");
    let made = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let system = layout.start().await;
    let author = system.caller(Role::Author);

    let mut told = Vec::new();
    let mut short = None;
    for number in 0.. {
        let created = create(&system, &author, &format!("before {number}")).await.expect(201);
        told.push(created.position().to_owned());
        if partition_of(&created) == SHORT {
            short = Some(created.id().to_owned());
            break;
        }
    }
    let short = format!("/api/universal/post/{}", short.unwrap());

    block_in_place(|| stack.kill("kafka-2")).unwrap();
    let edit = async || {
        let body = json!({ "title": "while its replica is away" });
        system.command("PATCH", &short, &author, &[("Idempotency-Key", "edit")], Some(&body)).await
    };
    let waiting = async { edit().await.expect_unavailable(&["outcome-unknown", "no-owner"]) };
    let others = async {
        let mut told = Vec::new();
        let mut served = BTreeSet::new();
        let mut longest = Duration::ZERO;
        let mut round = 0;
        while !served.iter().copied().eq((0..PARTITIONS).filter(|partition| *partition != SHORT)) {
            round += 1;
            assert!(round <= 10, "only {served:?} are written on");
            let began = Instant::now();
            let keys: Vec<_> = (0..18).map(|number| format!("meanwhile {round}/{number}")).collect();
            for created in join_all(keys.iter().map(|key| timed(began, create(&system, &author, key)))).await {
                match created {
                    (created, took) if created.status == 201 => {
                        longest = longest.max(took);
                        served.insert(partition_of(&created));
                        told.push(created.position().to_owned());
                    }
                    // Keys lead to partitions by chance: about one in six is for the one that waits.
                    (created, _) => drop(created.expect_unavailable(&["outcome-unknown", "no-owner"])),
                }
            }
        }
        println!("while a partition was below its ISR minimum, the longest write of another took {longest:?}");
        told
    };
    let (_, others) = tokio::join!(waiting, others);
    told.extend(others);

    block_in_place(|| stack.restart("kafka-2")).unwrap();
    let edited = until("the edit to be done", async || {
        let answer = edit().await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(edited.body["version"], 2);
    told.push(edited.position().to_owned());
    system.assert_acknowledged(&told).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}

async fn timed(since: Instant, answer: impl Future<Output = Answer>) -> (Answer, Duration) {
    (answer.await, since.elapsed())
}

async fn create(system: &System, author: &Caller, key: &str) -> Answer {
    let body = json!({ "type": "note", "title": key, "content": "It *travels*." });
    system.create(author, key, &body).await
}

fn partition_of(answer: &Answer) -> u32 {
    answer.position().parse::<PositionToken>().unwrap().partition
}
