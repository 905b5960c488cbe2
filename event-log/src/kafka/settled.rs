//! Where a partition ends when nothing is on its way to it any more.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::KafkaError;
use super::partition_log::{KafkaLog, Replicas};

/// A leader may have a record that it does not tell of, as long as a replica counts as in sync that does not fetch any more: 30 s by
/// default (`replica.lag.time.max.ms`), and half as much until that is looked for. What lies in a socket or a queue comes sooner.
const QUIET: Duration = Duration::from_secs(60);
/// Where there is one replica it tells of all that it has, but for what lies there.
const QUIET_ALONE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The end of a partition to which something was sent of which nobody knows what came: enough replicas are in sync, and it has been the
/// same for so long that nothing is to come. A new leader tells of its end only when all have what it began with (KIP-207).
pub(super) async fn settled_end(
    log: &KafkaLog,
    partition: u32,
    min_insync: i32,
    limit: Duration,
) -> Result<u64, KafkaError> {
    let started = Instant::now();
    let mut quiet: Option<(u64, Instant)> = None;
    loop {
        let failed = match look(log, partition).await {
            Ok((replicas, end)) if replicas.in_sync >= min_insync as usize => {
                let since = quiet.filter(|(last, _)| *last == end).map_or_else(Instant::now, |(_, since)| since);
                if since.elapsed() >= if replicas.all == 1 { QUIET_ALONE } else { QUIET } {
                    return Ok(end);
                }
                quiet = Some((end, since));
                None
            }
            outcome => {
                quiet = None;
                outcome.err()
            }
        };
        if started.elapsed() > limit {
            let action = format!("let partition {partition} come to rest with enough replicas in sync");
            return Err(failed.unwrap_or_else(|| log.timed_out(&action, limit)));
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn look(log: &KafkaLog, partition: u32) -> Result<(Replicas, u64), KafkaError> {
    let replicas = log.replicas(partition).await?;
    Ok((replicas, log.bounds(partition).await?.end))
}
