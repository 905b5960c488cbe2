//! The topic of activity, as it stands.

use event_log::kafka::{KafkaConfig, KafkaLog, RecordStream};
use event_log::record::LogRecord;

/// Every record that the topic holds, by partition in its order.
pub async fn records(kafka: &KafkaConfig) -> Vec<LogRecord> {
    let log = KafkaLog::connect(&kafka.of_activity()).expect("a client");
    let mut all = Vec::new();
    for partition in 0..log.partitions() {
        let held = log.bounds(partition).await.expect("the bounds of the topic");
        let mut stream = RecordStream::open(&log, partition, held.start);
        let read = stream.through(held.end).await.expect("what the topic holds").expect("an open log");
        all.extend(read.records);
    }
    log.close().await;
    all
}
