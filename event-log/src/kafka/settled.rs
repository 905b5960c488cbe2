//! Where a partition ends when nothing is on its way to it any more.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::error::KafkaError;
use super::partition_log::KafkaLog;

/// How long replicas may take to be in sync.
const LIMIT: Duration = Duration::from_secs(60);
/// For how long the end must stay where it is.
const QUIET: Duration = Duration::from_secs(1);

/// The end of a partition to which requests have failed of which nobody knows what came.
///
/// A cluster tells no end that its replicas have not agreed on: a new leader answers only when it knows that what it began with is held by
/// all (KIP-207), and what a leader took before too few were in sync is seen when enough are again. So the end holds when enough are in
/// sync and it is the same for a while.
pub(super) async fn settled_end(log: &KafkaLog, partition: u32, min_insync: i32) -> Result<u64, KafkaError> {
    let started = Instant::now();
    let mut last = None;
    loop {
        let end = match log.in_sync(partition).await {
            Ok(in_sync) if in_sync >= min_insync as usize => log.bounds(partition).await.map(|bounds| Some(bounds.end)),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        match end {
            Ok(Some(end)) if last == Some(end) => return Ok(end),
            Ok(end) if started.elapsed() < LIMIT => last = end,
            Err(_) if started.elapsed() < LIMIT => last = None,
            Ok(_) => return Err(log.timed_out("have enough replicas in sync", LIMIT)),
            Err(error) => return Err(error),
        }
        sleep(QUIET).await;
    }
}
