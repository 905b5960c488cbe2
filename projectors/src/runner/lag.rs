//! The task that keeps the lag metrics current.

use std::convert::Infallible;
use std::time::Duration;

use chrono::Utc;
use event_log::kafka::KafkaLog;
use tokio_util::sync::CancellationToken;

use crate::runner::status::Status;

const EVERY: Duration = Duration::from_secs(1);

/// Measures once a second until cancelled.
pub async fn keep_measuring(status: Status, log: KafkaLog, shutdown: CancellationToken) -> Result<(), Infallible> {
    let mut ticks = tokio::time::interval(EVERY);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        status.measure(|partition| log.end_offset(partition), Utc::now().timestamp_millis());
    }
    Ok(())
}
