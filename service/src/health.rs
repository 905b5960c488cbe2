//! Alive and ready: `/health` says that the process runs, `/ready` that it can do its work.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header::CACHE_CONTROL};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;

/// The named checks of a process. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    checks: RwLock<BTreeMap<String, Check>>,
    stopping: watch::Sender<bool>,
}

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A check that the process itself sets, for example once partitions are served.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<Result<(), String>>);

/// The answer of `/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// `ready` or `not-ready`.
    pub status: String,
    pub checks: BTreeMap<String, CheckResult>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// `up` or `down`.
    pub status: String,
    /// Why it is down; only told on the admin port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A check that takes longer counts as failed.
const CHECK_LIMIT: Duration = Duration::from_secs(2);

impl Health {
    pub fn new() -> Self {
        Self(Arc::new(Shared { checks: RwLock::default(), stopping: watch::Sender::new(false) }))
    }

    /// Adds a check that is run for each question, within two seconds. The reason of a failure is told on the admin
    /// port only.
    pub fn check<F, Fut>(&self, name: impl Into<String>, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name.into(), Arc::new(move || check().boxed()));
    }

    /// Adds a check that the process sets itself; it fails with `reason` until it is first set.
    pub fn gate(&self, name: impl Into<String>, reason: impl Into<String>) -> Gate {
        let gate = Gate(watch::Sender::new(Err(reason.into())));
        self.watch(name, gate.0.subscribe());
        gate
    }

    /// Adds a check that is whatever the channel holds at the time.
    pub fn watch(&self, name: impl Into<String>, state: watch::Receiver<Result<(), String>>) {
        self.check(name, move || std::future::ready(state.borrow().clone()));
    }

    /// From now on the process is not ready, so that no new work is sent to it while it shuts down.
    pub fn stopping(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Runs all checks at once.
    pub async fn readiness(&self) -> Readiness {
        let checks: Vec<(String, Check)> = {
            let checks = self.0.checks.read().unwrap_or_else(PoisonError::into_inner);
            checks.iter().map(|(name, check)| (name.clone(), check.clone())).collect()
        };
        let mut results: BTreeMap<String, CheckResult> = join_all(checks.into_iter().map(|(name, check)| async move {
            let result = timeout(CHECK_LIMIT, check())
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {} s", CHECK_LIMIT.as_secs())));
            (name, CheckResult::from(result))
        }))
        .await
        .into_iter()
        .collect();
        if *self.0.stopping.borrow() {
            results.insert("process".to_owned(), Err("the process is shutting down".to_owned()).into());
        }
        let ready = results.values().all(|result| result.status == "up");
        Readiness { status: if ready { "ready" } else { "not-ready" }.to_owned(), checks: results }
    }

    /// `/health` and `/ready` for the public port: without the reasons of failures.
    pub fn routes(&self) -> Router {
        router(self.clone(), false)
    }

    /// `/health` and `/ready` for the admin port: with the reasons of failures.
    pub fn admin_routes(&self) -> Router {
        router(self.clone(), true)
    }

    fn add(&self, name: String, check: Check) {
        self.0.checks.write().unwrap_or_else(PoisonError::into_inner).insert(name, check);
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.0.checks.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("Health").field(&checks.keys()).finish()
    }
}

impl Gate {
    /// The check passes from now on.
    pub fn open(&self) {
        self.set(Ok(()));
    }

    /// The check fails from now on.
    pub fn close(&self, reason: impl Into<String>) {
        self.set(Err(reason.into()));
    }

    fn set(&self, state: Result<(), String>) {
        // What it was before does not matter.
        let _ = self.0.send_replace(state);
    }
}

impl From<Result<(), String>> for CheckResult {
    fn from(result: Result<(), String>) -> Self {
        let status = if result.is_ok() { "up" } else { "down" }.to_owned();
        Self { status, reason: result.err() }
    }
}

fn router(health: Health, tell_reasons: bool) -> Router {
    Router::new()
        .route("/health", get(async || uncached(StatusCode::OK, serde_json::json!({ "status": "alive" }))))
        .route("/ready", get(move |State(health)| ready(health, tell_reasons)))
        .with_state(health)
}

async fn ready(health: Health, tell_reasons: bool) -> Response {
    let mut readiness = health.readiness().await;
    if !tell_reasons {
        readiness.checks.values_mut().for_each(|check| check.reason = None);
    }
    let status = if readiness.status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    uncached(status, readiness)
}

fn uncached(status: StatusCode, body: impl Serialize) -> Response {
    (status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
}
