//! The archive of the log: what is in it, what is read from it, and what is restored.

mod deleting;
mod journey;
mod processes;
mod reading;
mod rebuilding;
mod restoring;
pub mod world;

use event_log::kafka::{KafkaConfig, KafkaLog};
use uuid::Uuid;

use crate::kafka_log::driver::{Driver, event};
use crate::kafka_log::log;

/// A log of two partitions that is none of the archived ones.
async fn world_of_one_commit() -> (KafkaConfig, KafkaLog) {
    let (config, log) = log(2).await;
    let mut owner = Driver::serving(&log, 0, "other", 1).await;
    let commit = Uuid::now_v7();
    owner.propose(commit, vec![event("another history")]);
    owner.until_released(commit).await;
    drop(owner);
    (config, log)
}
