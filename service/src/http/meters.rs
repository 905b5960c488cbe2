//! The metrics of requests: `http_requests_total` and `http_request_duration_seconds`, by method, route and status.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Counter, Histogram};

/// Finds the metrics of an answer without making up their labels anew for each request. There are as many as there are
/// routes, methods and statuses.
#[derive(Debug, Default)]
pub(super) struct Meters(RwLock<HashMap<String, Vec<Meter>>>);

#[derive(Debug, Clone)]
struct Meter {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    seconds: Histogram,
}

impl Meters {
    pub fn answered(&self, method: &'static str, route: &str, status: StatusCode, after: Duration) {
        let count = |meter: &Meter| {
            meter.requests.increment(1);
            meter.seconds.record(after.as_secs_f64());
        };
        let find = |routes: &HashMap<String, Vec<Meter>>| {
            routes.get(route)?.iter().find(|meter| meter.method == method && meter.status == status).map(count)
        };
        // What a panic elsewhere could leave half-done here is a list that is short of one entry.
        if find(&self.0.read().unwrap_or_else(PoisonError::into_inner)).is_none() {
            let meter = Meter::new(method, route, status);
            count(&meter);
            let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
            routes.entry(route.to_owned()).or_default().push(meter);
        }
    }
}

impl Meter {
    fn new(method: &'static str, route: &str, status: StatusCode) -> Self {
        let labels =
            [("method", method.to_owned()), ("route", route.to_owned()), ("status_code", status.as_str().to_owned())];
        Self {
            method,
            status,
            requests: metrics::counter!("http_requests_total", &labels),
            seconds: metrics::histogram!("http_request_duration_seconds", &labels),
        }
    }
}
