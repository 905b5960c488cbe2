//! A broker that hangs and does not come back: it keeps its connections, and nobody hears of it but by its silence.

use std::collections::BTreeSet;
use std::time::Instant;

use futures::future::join_all;
use groot_tests::system::{PARTITIONS, System};
use groot_tests::waiting::until;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::util::Timeout;
use serde_json::json;
use service::token::PositionToken;
use tokio::task::block_in_place;
use xtask::token::Role;

#[tokio::test(flavor = "multi_thread")]
async fn every_partition_is_written_on_while_a_broker_hangs_whichever_it_is() {
    let (_alone, stack) = super::alone().await;
    let system = System::laid_out(stack, "hung").start().await;
    let other = system.another_command_api("other").await;
    let author = system.caller(Role::Author);
    let mut told = Vec::new();
    let mut number = 0;
    for broker in ["kafka-1", "kafka-2", "kafka-3"] {
        stack.pause(broker).unwrap();
        let began = Instant::now();
        let mut written = BTreeSet::new();
        // Its return must not be what ends the wait: it hangs until everything goes on without it.
        until("every partition to be written on", async || {
            let creates = (0..2 * PARTITIONS).map(|_| {
                number += 1;
                let instance = if number % 2 == 0 { &system.commands } else { &other };
                let key = format!("post {number}");
                let (system, author) = (&system, &author);
                async move {
                    let body = json!({ "type": "note", "title": key, "content": "It *travels*." });
                    let key = [("Idempotency-Key", key.as_str())];
                    system.command_to(instance, "POST", "/api/universal/post", author, &key, Some(&body)).await
                }
            });
            for answer in join_all(creates.collect::<Vec<_>>()).await {
                match answer.status {
                    201 => {
                        let position = answer.position().to_owned();
                        written.insert(position.parse::<PositionToken>().unwrap().partition);
                        told.push(position);
                    }
                    _ => drop(answer.expect_unavailable(&["outcome-unknown", "no-owner"])),
                }
            }
            (written.len() == PARTITIONS as usize).then_some(())
        })
        .await;
        println!("while {broker} hung, every partition was written on within {:?}", began.elapsed());
        stack.resume(broker).unwrap();
        until("all replicas to be in sync", async || all_in_sync(&system).then_some(())).await;
    }
    system.assert_acknowledged(&told).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    drop(other);
    system.end().await;
}

/// Whether every replica of every topic of the cluster is in sync, so that the next broker can be missed.
fn all_in_sync(system: &System) -> bool {
    let client: BaseConsumer =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &system.kafka.brokers).create().unwrap();
    let topics = block_in_place(|| client.fetch_metadata(None, Timeout::After(std::time::Duration::from_secs(10))));
    topics.is_ok_and(|topics| {
        topics
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions())
            .all(|partition| partition.isr().len() == partition.replicas().len())
    })
}
