//! What this process has served since it began, for those who show it live. Like its metrics, it is the process's own.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static FAILURES: AtomicU64 = AtomicU64::new(0);
static MICROSECONDS: AtomicU64 = AtomicU64::new(0);
static CONNECTIONS: AtomicI64 = AtomicI64::new(0);

/// Counted up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub requests: u64,
    /// Of them, answered with 5xx.
    pub failures: u64,
    /// What all of them took together.
    pub time: Duration,
    /// Open now, those that were upgraded among them.
    pub connections: u64,
}

/// A connection that is open for as long as this lives.
#[derive(Debug)]
pub struct OpenConnection(());

impl Traffic {
    pub fn now() -> Self {
        Self {
            requests: REQUESTS.load(Ordering::Relaxed),
            failures: FAILURES.load(Ordering::Relaxed),
            time: Duration::from_micros(MICROSECONDS.load(Ordering::Relaxed)),
            connections: u64::try_from(CONNECTIONS.load(Ordering::Relaxed)).unwrap_or_default(),
        }
    }

    pub(super) fn answered(status: StatusCode, after: Duration) {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        FAILURES.fetch_add(u64::from(status.is_server_error()), Ordering::Relaxed);
        MICROSECONDS.fetch_add(u64::try_from(after.as_micros()).unwrap_or_default(), Ordering::Relaxed);
    }
}

impl OpenConnection {
    /// Counts it in `active_connections` too.
    pub fn count() -> Self {
        metrics::gauge!("active_connections").increment(1.0);
        CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::gauge!("active_connections").decrement(1.0);
        CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
    }
}
