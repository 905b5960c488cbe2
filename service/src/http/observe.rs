//! What is recorded of every request, and the headers every answer carries.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::guard::is_probe;
use super::meters::Meters;
use super::traffic::Traffic;
use crate::problem::{Cause, ProblemType};
use crate::telemetry::{RequestContext, TraceContext};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The route of requests that match none, so that strangers cannot make new metrics by asking for new paths.
const NO_ROUTE: &str = "none";

pub(super) async fn observe(State(meters): State<Arc<Meters>>, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let trace = TraceContext::of_headers(request.headers());
    let trace_id = trace.trace_id();
    let request_id = given_id(request.headers()).unwrap_or_else(|| trace_id.clone());
    let context = RequestContext::new(trace, request_id, request.uri().path().to_owned());
    let method = method_label(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        http.method = method,
        http.path = context.path(),
        trace.id = trace_id,
        request.id = context.request_id(),
    );

    let mut response = context.clone().scope(next.run(request)).instrument(span.clone()).await;

    let elapsed = begin.elapsed();
    let status = response.status();
    meters.answered(method, route, status, elapsed);
    Traffic::answered(status, elapsed);
    span.in_scope(|| log(&response, route, context.path(), elapsed.as_secs_f64() * 1000.0));

    secure(response.headers_mut());
    if let Ok(id) = HeaderValue::try_from(context.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// One line for each request that failed, with its cause; requests that went well, and probes, only when asked for.
fn log(response: &Response, route: &str, path: &str, duration_ms: f64) {
    let status = response.status();
    let problem = response.extensions().get::<ProblemType>().map(|kind| kind.slug());
    let cause = response.extensions().get::<Cause>().map(|cause| &*cause.0);
    macro_rules! line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                http.route = route,
                http.status = status.as_u16(),
                http.duration_ms = duration_ms,
                problem,
                cause,
                $text
            )
        };
    }
    if is_probe(path) || !(status.is_client_error() || status.is_server_error()) {
        line!(debug, "request served");
    } else if status == StatusCode::INTERNAL_SERVER_ERROR {
        line!(error, "request failed");
    } else if status.is_server_error() {
        line!(warn, "request could not be served");
    } else {
        line!(info, "request refused");
    }
}

/// The caller's own id for the request, where it is short and printable enough for a log.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fit = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    fit.then(|| id.to_owned())
}

/// Any text may stand as a method; only the known ones become labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// A route may set a header of its own, as the docs page does with its policy; it then stays.
fn secure(headers: &mut HeaderMap) {
    let policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, policy),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains; preload"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "strict-origin-when-cross-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
