//! The task that keeps the lag metrics current.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use crate::projection::Projection;
use crate::runner::Shared;

const EVERY: Duration = Duration::from_secs(1);

/// Measures once a second until cancelled.
pub async fn keep_measuring<P: Projection>(
    shared: Arc<Shared<P>>,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let mut ticks = tokio::time::interval(EVERY);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        shared.status.measure(|partition| shared.log.end_offset(partition), Utc::now().timestamp_millis());
    }
    Ok(())
}
