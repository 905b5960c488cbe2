//! Faults on a real cluster of three brokers: a seeded schedule of them, and each case that has a story of its own.

mod below_isr;
mod clocks;
mod cut_back;
mod cut_off;
mod forgotten;
mod full_queue;
mod half_published;
mod held_back;
mod hung;
mod restored;
mod schedule;
mod slow;

use event_log::kafka::{KafkaConfig, KafkaLog, provision, read_all};
use event_log::reader::Skip;
use groot_tests::faults::links;
use groot_tests::servers::Servers;
use groot_tests::system::System;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::task::block_in_place;
use xtask::stack::Stack;

use crate::kafka_log::config_on;

/// Tests that take brokers away run alone. The others run beside each other, each on ways of its own.
static SERVERS: RwLock<()> = RwLock::const_new(());

/// Waits until the cluster is this test's alone, and brings back what one that failed has left away.
async fn alone() -> (RwLockWriteGuard<'static, ()>, &'static Stack) {
    let guard = SERVERS.write().await;
    let stack = Servers::Cluster.stack().await;
    stack.resume("kafka").unwrap();
    block_in_place(|| stack.restart("kafka")).unwrap();
    links::reset(stack).await;
    (guard, stack)
}

/// Waits until nobody takes brokers away.
async fn beside() -> (RwLockReadGuard<'static, ()>, &'static Stack) {
    let guard = SERVERS.read().await;
    (guard, Servers::Cluster.stack().await)
}

/// The log of a system for an owner or a reader of the test's own, by a way or directly.
fn log_of(system: &System, way: Option<usize>) -> KafkaLog {
    let brokers = match way {
        Some(way) => system.stack.addresses().ways[way].clone(),
        None => system.kafka.brokers.clone(),
    };
    KafkaLog::connect(&KafkaConfig { brokers, lanes: 1, ..system.kafka.clone() }).unwrap()
}

/// A log of one partition on the whole cluster, without a system around it.
async fn log_of_its_own(stack: &Stack) -> KafkaConfig {
    let config = names_of_its_own(stack);
    provision(&config).await.unwrap();
    config
}

/// The same before there is one.
fn names_of_its_own(stack: &Stack) -> KafkaConfig {
    let config = config_on(&stack.addresses().kafka_brokers, 1);
    KafkaConfig { replication_factor: 3, min_insync_replicas: 2, ..config }
}

/// How many records of the whole log do not count for this reason.
async fn skipped(log: &KafkaLog, why: Skip) -> u64 {
    let mut count = 0;
    let add = |_, delivery: event_log::kafka::Delivery| {
        count += delivery.skipped.iter().filter(|(skip, _)| *skip == why).map(|(_, records)| records).sum::<u64>();
    };
    read_all(log, add).await.unwrap();
    count
}
