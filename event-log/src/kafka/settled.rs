//! Where a partition ends when nothing is on its way to it any more.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::KafkaError;
use super::partition_log::KafkaLog;

/// Who led the partition when what may be on its way was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Unknown,
    LedBy(i32),
}

/// A leader may have a record that it does not tell of, as long as a replica counts as in sync that does not fetch any more: 30 s by
/// default (`replica.lag.time.max.ms`), and half as much until it is looked for. What lies in a socket comes sooner.
const QUIET: Duration = Duration::from_secs(60);
/// A new leader tells of its end only when all that it began with is held by all (KIP-207), and of nothing that another was sent.
const QUIET_OF_ANOTHER: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The end of a partition to which something was sent of which nobody knows what came: enough replicas are in sync, and it has been the
/// same for so long that nothing is to come.
pub(super) async fn settled_end(
    log: &KafkaLog,
    partition: u32,
    min_insync: i32,
    before: Before,
    limit: Duration,
) -> Result<u64, KafkaError> {
    let started = Instant::now();
    let mut last = None;
    let mut since = started;
    loop {
        let replicas = log.replicas(partition).await;
        let end = log.bounds(partition).await.map(|bounds| bounds.end);
        let failed = match (replicas, end) {
            (Ok(replicas), Ok(end)) if replicas.in_sync >= min_insync as usize => {
                let is_alone = replicas.all == 1;
                let is_another = matches!(before, Before::LedBy(leader) if leader != replicas.leader);
                let quiet = if is_alone || is_another { QUIET_OF_ANOTHER } else { QUIET };
                if last != Some((replicas.leader, end)) {
                    last = Some((replicas.leader, end));
                    since = Instant::now();
                } else if since.elapsed() >= quiet {
                    return Ok(end);
                }
                None
            }
            (Ok(_), Ok(_)) => {
                last = None;
                None
            }
            (Err(error), _) | (_, Err(error)) => {
                last = None;
                Some(error)
            }
        };
        // What has begun to be quiet is waited for.
        if last.is_none() && started.elapsed() > limit {
            let action = format!("have enough replicas of partition {partition} in sync");
            return Err(failed.unwrap_or_else(|| log.timed_out(&action, limit)));
        }
        if started.elapsed() > limit + QUIET {
            return Err(log.timed_out(&format!("let the end of partition {partition} stand still"), limit + QUIET));
        }
        sleep(LOOK_EVERY).await;
    }
}
