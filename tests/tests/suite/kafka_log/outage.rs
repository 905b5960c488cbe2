//! A broker that hangs while an owner writes.

use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaLog, provision};
use event_log::owner::Told;
use uuid::Uuid;
use xtask::server::Service;
use xtask::stack::{Options, Stack};

use super::driver::{Driver, commits, event};
use super::{config, soon};

/// What the owner says of commits: which were released, and which are void.
#[derive(Default)]
struct Heard {
    released: Vec<Uuid>,
    void: Vec<Uuid>,
}

impl Heard {
    fn hear(&mut self, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Released(commit) => self.released.push(commit.id),
                Told::Void(commits) => self.void.extend(commits),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn after_a_broker_hung_every_commit_is_settled_as_readers_see_it() {
    // A broker of its own: this one is stopped in the middle of everything.
    let start = || Stack::start("kafka-outage", &Options::for_test(&[Service::Kafka])).unwrap();
    let stack = tokio::task::spawn_blocking(start).await.unwrap();
    let config = KafkaConfig { brokers: stack.addresses().kafka_brokers.clone(), ..config(1) };
    provision(&config).await.unwrap();
    let log = KafkaLog::connect(&config).unwrap();
    let mut owner = Driver::serving(&log, 0, "a", 1).await;
    let mut heard = Heard::default();
    let mut proposed = Vec::new();
    let mut propose = |owner: &mut Driver| {
        let commit = Uuid::now_v7();
        owner.propose(commit, vec![event("one"), event("two")]);
        proposed.push(commit);
        commit
    };
    let before = propose(&mut owner);
    heard.hear(owner.until_released(before).await);

    stack.pause("kafka").unwrap();
    for _ in 0..10 {
        propose(&mut owner);
    }
    // The deadline passes twice: each time the lane is purged, and a claim goes out through the next one.
    for _ in 0..2 {
        owner.tick_after(Duration::from_secs(60));
    }
    stack.resume("kafka").unwrap();

    // Claims that were given up may arrive late and depose the owner; it claims until it is left alone.
    soon("a commit released after the outage", async {
        loop {
            let serving = |told: &Told| matches!(told, Told::Serving(_));
            if owner.owner.serving().is_none() {
                heard.hear(owner.until("serving again", serving).await);
            }
            if owner.owner.serving().is_none() {
                continue;
            }
            let after = propose(&mut owner);
            let settled = |told: &Told| match told {
                Told::Released(commit) => commit.id == after,
                Told::Void(commits) => commits.contains(&after),
                _ => false,
            };
            heard.hear(owner.until("the next commit settled", settled).await);
            if heard.released.last() == Some(&after) {
                break;
            }
        }
    })
    .await;
    drop(owner);

    assert_eq!(commits(&log, 0).await, heard.released, "a reader of its own finds just what was released");
    let mut settled: Vec<Uuid> = heard.released.iter().chain(&heard.void).copied().collect();
    settled.sort_unstable();
    proposed.sort_unstable();
    assert_eq!(settled, proposed, "each commit is either released or void");
    log.close().await;
    tokio::task::spawn_blocking(move || drop(stack)).await.unwrap();
}
