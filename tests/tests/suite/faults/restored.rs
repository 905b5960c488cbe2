//! A log that is brought back onto several brokers. They forget who wrote to a partition after a second, as those of production do with
//! whoever writes what is older than a day.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaLog, Restore, Wanted, identify, provision};
use groot_tests::waiting::PATIENCE;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::task::block_in_place;
use tokio::time::timeout;
use uuid::Uuid;
use xtask::stack::Stack;

use crate::archive::world::{Place, records};
use crate::kafka_log::driver::{Driver, commits, event};

/// In the log, each of a kilobyte: several requests.
const COMMITS: u64 = 12_000;
const KILOBYTE: usize = 1024;
const IN_A_RANGE: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_brought_back_offset_for_offset_onto_three_brokers_of_which_one_is_killed_meanwhile() {
    let (_alone, stack) = super::alone().await;
    let config = super::log_of_its_own(stack).await;
    let log = KafkaLog::connect(&config).unwrap();
    let mut owner = Driver::serving(&log, 0, "a", 1).await;
    let proposed: Vec<Uuid> = (0..COMMITS).map(|_| Uuid::now_v7()).collect();
    for commit in &proposed {
        owner.propose(*commit, vec![event(vec![b'x'; KILOBYTE])]);
    }
    owner.until_released(proposed[proposed.len() - 1]).await;
    drop(owner);
    let place = Place::of(&config).await;
    place.take(&log, 0, IN_A_RANGE).await;

    let to = super::names_of_its_own(stack);
    let (told, killed) = (Cell::new(0), RefCell::new(None));
    let restore = async {
        let restore = Restore::prepare(&to, place.archive.clone(), Wanted::All).await?;
        let restored = restore.run(|| {
            told.set(told.get() + 1);
            if told.get() == COMMITS / 2 {
                // What follows is on its way, and nobody sees whether it arrives.
                killed.replace(Some(block_in_place(|| kill_leader(stack, &to))));
            }
        });
        restored.await
    };
    // It waits for a minute until it knows what came of what was on its way.
    let restored = timeout(2 * PATIENCE, restore).await.expect("the log is restored");
    let broker = killed.take().expect("it was restored before half of it was written");
    // The claim stands before them.
    assert_eq!(restored.unwrap().records, COMMITS + 1);
    assert_eq!(told.get(), 2 * (COMMITS + 1), "each is told of once when written and once when compared");
    block_in_place(|| stack.restart(&broker)).unwrap();

    assert_eq!(identify(&to).await.unwrap(), identify(&config).await.unwrap());
    provision(&to).await.expect("the topics are as they must be on three brokers");
    let back = KafkaLog::connect(&to).unwrap();
    assert!(records(&back, 0).await == records(&log, 0).await, "other records, offsets or times");
    assert_eq!(commits(&back, 0).await, proposed);
    let mut owner = Driver::serving(&back, 0, "next", 2).await;
    let next = Uuid::now_v7();
    owner.propose(next, vec![event("next")]);
    owner.until_released(next).await;
    drop(owner);
    log.close().await;
    back.close().await;
}

/// Kills the broker that leads the partition, with which goes whatever it has not passed on. Gives its name.
fn kill_leader(stack: &Stack, config: &KafkaConfig) -> String {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let metadata = client.fetch_metadata(Some(&config.events_topic), Duration::from_secs(30)).unwrap();
    let partition = &metadata.topics()[0].partitions()[0];
    assert_eq!(partition.replicas().len(), 3);
    let broker = format!("kafka-{}", partition.leader());
    stack.kill(&broker).unwrap();
    broker
}
