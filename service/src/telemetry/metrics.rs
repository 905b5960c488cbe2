//! Metrics in the Prometheus text format.

use std::time::Duration;

pub use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use tokio_util::sync::CancellationToken;

/// Metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics could not be set up; set them up once for each process")]
pub struct MetricsError(#[from] BuildError);

/// From 1 ms to a minute: the service levels (100 ms, 500 ms, 1 s) are bounds, so that they can be read off exactly.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// For counts of records and bytes in a batch.
const SIZES: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];

const UPKEEP: Duration = Duration::from_secs(5);

/// Collects what the `metrics` macros record from now on. Histograms whose name ends in `_seconds` have buckets
/// for times, all others buckets for sizes.
pub fn init_metrics() -> Result<PrometheusHandle, MetricsError> {
    let handle = PrometheusBuilder::new()
        .set_buckets(SIZES)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .install_recorder()?;
    crate::allocator::describe_metrics();
    Ok(handle)
}

/// Folds recorded samples into their buckets every few seconds, so that memory stays bounded while nobody scrapes.
/// Runs until cancelled.
pub async fn keep_metrics(handle: PrometheusHandle, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        handle.run_upkeep();
    }
}
