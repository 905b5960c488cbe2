//! What stands around each route: limits, and the promise that every failure is a problem.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::HttpSettings;
use super::body::{BodyError, BoundedBody, Held, Rest};
use crate::problem::{Problem, ProblemType};
use crate::supervise::panic_text;

/// The limits that all requests of a server share.
pub(super) struct Guard {
    in_flight: Semaphore,
    request_timeout: Duration,
    body_timeout: Duration,
    body_limit: u64,
    /// Bytes of bodies that there is room for.
    bodies: Arc<Semaphore>,
}

impl Guard {
    pub fn new(settings: &HttpSettings) -> Self {
        Self {
            in_flight: Semaphore::new(settings.max_in_flight as usize),
            request_timeout: settings.request_timeout,
            body_timeout: settings.body_timeout,
            body_limit: settings.body_limit,
            bodies: Arc::new(Semaphore::new(settings.bodies_limit)),
        }
    }
}

/// An answer is not held back longer than this for the sake of a body nobody reads.
const LONGEST_DRAIN: Duration = Duration::from_secs(5);

/// Whether the path is one that orchestrators ask again and again; a busy process must not look like a dead one.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/health" | "/ready")
}

pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let _permit = match guard.in_flight.try_acquire() {
        Ok(permit) => Some(permit),
        Err(_) if is_probe(request.uri().path()) => None,
        Err(_) => return Problem::new(ProblemType::Overloaded).into_response(),
    };
    let served = AssertUnwindSafe(bounded(&guard, request, next)).catch_unwind();
    let (response, rest) = match timeout(guard.request_timeout, served).await {
        Ok(Ok(served)) => served,
        Ok(Err(panic)) => (Problem::internal(panic_text(panic.as_ref())).into_response(), None),
        Err(_) => (Problem::new(ProblemType::Timeout).into_response(), None),
    };
    // Outside the time-out: what was done is answered as done, however slowly the client sends.
    if let Some(rest) = rest {
        rest.drain(guard.body_timeout.min(LONGEST_DRAIN)).await;
    }
    as_problem(response)
}

/// Serves the request with its body bounded. Gives the answer and what should be drained before it is sent.
async fn bounded(guard: &Guard, request: Request, next: Next) -> (Response, Option<Rest>) {
    if request.body().is_end_stream() {
        return (next.run(request).await, None);
    }
    // A client that asked to be told before it sends is told no at once; it then sends nothing.
    let waits_to_send =
        request.headers().get(EXPECT).is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let (parts, body) = request.into_parts();
    if body.size_hint().lower() > guard.body_limit {
        let problem = Problem::from(BodyError::TooLarge { limit: guard.body_limit });
        return (problem.into_response(), (!waits_to_send).then(|| Rest::of(body)));
    }
    let held = Held::none_of(&guard.bodies);
    let (body, mut rest) = BoundedBody::new(body, guard.body_limit, guard.body_timeout, held.clone());
    let response = next.run(Request::from_parts(parts, Body::new(body))).await;
    drop(held);
    let Ok(rest) = rest.try_recv() else {
        return (response, None);
    };
    // Extractors that do not know our faults answer them as best they can; we know better.
    let response = match rest.fault {
        Some(fault) if is_bare_error(&response) => Problem::from(fault).into_response(),
        _ => response,
    };
    // More waiting would not make a slow client faster.
    let worth_draining = rest.fault != Some(BodyError::TooSlow) && !(waits_to_send && rest.read == 0);
    (response, worth_draining.then_some(rest))
}

/// Routing and the framework's own extractors answer errors with a bare status or a line of text. Their headers
/// stay (`Allow` among them), their text does not: it speaks of the code.
fn as_problem(response: Response) -> Response {
    if !is_bare_error(&response) {
        return response;
    }
    let status = response.status();
    let kind = ProblemType::for_status(status);
    let problem = match kind {
        ProblemType::NotFound => Problem::not_found("There is nothing at this address."),
        ProblemType::InvalidParameter => {
            Problem::new(kind).detail("A part of the address or of the headers cannot be read.")
        }
        ProblemType::Internal => Problem::internal(format!("a route answered the bare status {status}")),
        kind => kind.into(),
    };
    let (parts, _) = response.into_parts();
    let mut answer = problem.into_response();
    for (name, value) in &parts.headers {
        if ![CONTENT_TYPE, CONTENT_LENGTH, CACHE_CONTROL].contains(name) {
            answer.headers_mut().append(name.clone(), value.clone());
        }
    }
    answer
}

/// Whether it is an error that was not made by us: without a format, or plain text.
fn is_bare_error(response: &Response) -> bool {
    let status = response.status();
    let formatted =
        response.headers().get(CONTENT_TYPE).is_some_and(|value| !value.as_bytes().starts_with(b"text/plain"));
    !formatted && (status.is_client_error() || status.is_server_error())
}
