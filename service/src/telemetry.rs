//! What the process says about itself: log lines, metrics and the trace a request belongs to.

mod logging;
mod metrics;
mod trace;

pub use logging::{LogFormat, TelemetryArgs, TelemetryError, init_logging};
pub use metrics::{MetricsError, PrometheusHandle, init_metrics, keep_metrics};
pub use trace::{RequestContext, TraceContext};
