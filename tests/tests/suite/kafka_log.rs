//! The log on a real broker: claims, positions, large records, slow readers, membership, topics and hints.

pub mod driver;
mod hints;
mod membership;
mod outage;
mod ownership;
mod records;
pub mod resume;
mod subscription;
mod topics;

use std::future::Future;
use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaLog, provision};
use uuid::Uuid;

/// How long anything that must happen may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// A log of its own for one test.
pub fn config(partitions: u32) -> KafkaConfig {
    config_on(&crate::brokers::of_the_log_tests(), partitions)
}

/// The same on other brokers.
pub fn config_on(brokers: &str, partitions: u32) -> KafkaConfig {
    let name = Uuid::now_v7().simple();
    KafkaConfig {
        client_id: format!("test-{name}"),
        events_topic: format!("events-{name}"),
        owners_topic: format!("owners-{name}"),
        log_topic: format!("log-{name}"),
        activity_topic: format!("activity-{name}"),
        partitions,
        ..KafkaConfig::local(brokers)
    }
}

pub async fn log(partitions: u32) -> (KafkaConfig, KafkaLog) {
    let config = config(partitions);
    provision(&config).await.unwrap();
    let log = KafkaLog::connect(&config).unwrap();
    (config, log)
}
