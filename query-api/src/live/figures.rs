//! How this process is doing, measured each second.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use service::http::Traffic;
use service::usage::Usage;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Figures of one second.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    pub active_connections: u64,
    pub requests_per_second: f64,
    /// Of those requests, the part that was answered with 5xx: 0 to 1.
    pub error_rate: f64,
    /// Milliseconds that one took on average; 0 when there was none.
    pub response_time: f64,
    /// Bytes that are resident.
    pub memory_usage: u64,
    /// Of all processors of the machine: 0 to 1.
    pub cpu_usage: f64,
    pub timestamp: DateTime<Utc>,
}

/// Everything counted up to a moment.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub at: Instant,
    pub traffic: Traffic,
    pub usage: Usage,
}

const EVERY: Duration = Duration::from_secs(1);

impl Counted {
    pub fn now() -> Self {
        Self { at: Instant::now(), traffic: Traffic::now(), usage: Usage::now() }
    }

    /// What lies between two moments.
    pub fn until(&self, later: &Self, processors: f64, timestamp: DateTime<Utc>) -> Figures {
        let seconds = later.at.duration_since(self.at).as_secs_f64();
        let requests = later.traffic.requests.saturating_sub(self.traffic.requests) as f64;
        let failures = later.traffic.failures.saturating_sub(self.traffic.failures) as f64;
        let time = later.traffic.time.saturating_sub(self.traffic.time).as_secs_f64();
        let processor = later.usage.processor.saturating_sub(self.usage.processor).as_secs_f64();
        let per = |what: f64, of: f64| if of > 0.0 { what / of } else { 0.0 };
        Figures {
            active_connections: later.traffic.connections,
            requests_per_second: per(requests, seconds),
            error_rate: per(failures, requests),
            response_time: per(time * 1000.0, requests),
            memory_usage: later.usage.resident,
            cpu_usage: per(processor, seconds * processors).min(1.0),
            timestamp,
        }
    }
}

/// Measures until cancelled, and tells whoever listens.
pub async fn keep_measuring(told: broadcast::Sender<Arc<Figures>>, cancel: CancellationToken) {
    let processors = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    let mut ticks = tokio::time::interval(EVERY);
    let mut before = Counted::now();
    ticks.tick().await;
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = Counted::now();
        // That nobody listens is no failure.
        let _ = told.send(Arc::new(before.until(&now, processors, Utc::now())));
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_what_lies_between_two_moments() {
        let before = Counted { at: Instant::now(), traffic: Traffic::default(), usage: Usage::default() };
        let traffic = Traffic { requests: 40, failures: 10, time: Duration::from_millis(200), connections: 3 };
        let usage = Usage { processor: Duration::from_secs(1), resident: 7 };
        let later = Counted { at: before.at + Duration::from_secs(2), traffic, usage };
        let figures = before.until(&later, 2.0, DateTime::UNIX_EPOCH);
        let expected = Figures {
            active_connections: 3,
            requests_per_second: 20.0,
            error_rate: 0.25,
            response_time: 5.0,
            memory_usage: 7,
            cpu_usage: 0.25,
            timestamp: DateTime::UNIX_EPOCH,
        };
        assert_eq!(figures, expected);
        let idle = later.until(&Counted { at: later.at + Duration::from_secs(1), ..later }, 2.0, DateTime::UNIX_EPOCH);
        assert_eq!((idle.requests_per_second, idle.error_rate, idle.response_time), (0.0, 0.0, 0.0));
    }
}
