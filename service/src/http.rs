//! The HTTP layer around every binary's routes, and the server under them.
//!
//! From outside in: trace, request id, metrics and log; security headers; CORS; compression; then, around the route
//! itself, the limit of requests at a time, the time-out, the body limit, and the turning of panics and bare error
//! statuses into problems.

mod body;
mod client;
mod guard;
mod meters;
mod observe;
mod serve;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::from_fn_with_state;
use clap::Args;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use body::{BodyError, read_body};
pub use client::{TrustedProxies, Whereabouts};
pub use serve::serve;
pub(crate) use serve::serve_uncounted;
pub use traffic::{OpenConnection, Traffic};

use crate::config;
use guard::Guard;
use meters::Meters;

/// How many bytes a body may have.
pub const BODY_LIMIT: u64 = 2 * 1024 * 1024;
/// Bytes that the bodies of all requests may have which run at a time; one that finds no room is answered with 503.
const BODIES_LIMIT: usize = 64 * 1024 * 1024;

/// How much of a refused body is read, so that the client gets to read the answer.
pub const DRAIN_LIMIT: u64 = 8 * 1024 * 1024;

/// What every binary with a public port takes about it.
#[derive(Debug, Clone, Args)]
pub struct HttpArgs {
    /// Origins whose pages may call this API with credentials.
    #[arg(
        long,
        env = "ALLOWED_ORIGINS",
        value_name = "ORIGINS",
        value_delimiter = ',',
        default_value = "http://localhost:3005,http://127.0.0.1:3005",
        value_parser = config::origin
    )]
    pub allowed_origins: Vec<HeaderValue>,
    /// How long a request may take before it is answered with 503.
    #[arg(long, env = "GROOT_HTTP_REQUEST_TIMEOUT", value_name = "TIME", default_value = "15s", value_parser = config::duration)]
    pub http_request_timeout: Duration,
    /// How long a body may take to arrive before the request is answered with 408.
    #[arg(long, env = "GROOT_HTTP_BODY_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = config::duration)]
    pub http_body_timeout: Duration,
    /// How many requests may run at a time; one more is answered with 503. Commands to one partition may be an eighth of them at its owner.
    #[arg(long, env = "GROOT_HTTP_MAX_IN_FLIGHT", value_name = "COUNT", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub http_max_in_flight: u32,
}

/// The figures of the HTTP layer.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    pub allowed_origins: Vec<HeaderValue>,
    pub request_timeout: Duration,
    pub body_timeout: Duration,
    pub max_in_flight: u32,
    /// In bytes.
    pub body_limit: u64,
    /// Bytes of the bodies of all requests that run.
    pub bodies_limit: usize,
}

impl From<HttpArgs> for HttpSettings {
    fn from(args: HttpArgs) -> Self {
        Self {
            allowed_origins: args.allowed_origins,
            request_timeout: args.http_request_timeout,
            body_timeout: args.http_body_timeout,
            max_in_flight: args.http_max_in_flight,
            body_limit: BODY_LIMIT,
            bodies_limit: BODIES_LIMIT,
        }
    }
}

impl Default for HttpSettings {
    /// The figures of the contract, with no foreign origin allowed.
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            request_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(10),
            max_in_flight: 4096,
            body_limit: BODY_LIMIT,
            bodies_limit: BODIES_LIMIT,
        }
    }
}

/// Puts the HTTP layer around finished routes and adds the pages of the problem types. Merge every route before:
/// what is merged afterwards is outside the layer.
pub fn chassis(routes: Router, settings: &HttpSettings) -> Router {
    let guard = Arc::new(Guard::new(settings));
    // One layer of the router: each is boxed anew for each request.
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(Arc::<Meters>::default(), observe::observe))
        .layer(cors(&settings.allowed_origins))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(guard, guard::guard))
        // The framework's own limit would stand in the way of ours.
        .layer(DefaultBodyLimit::disable());
    routes.merge(crate::problem::pages()).layer(layers)
}

fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let own = |name: &'static str| HeaderName::from_static(name);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            ACCEPT,
            ACCEPT_LANGUAGE,
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            own("groot-min-position"),
            own("groot-stale"),
            own("idempotency-key"),
            own("prefer"),
            own("traceparent"),
            own("tracestate"),
            own("x-request-id"),
        ])
        .expose_headers([
            ETAG,
            LINK,
            LOCATION,
            RETRY_AFTER,
            own("groot-position"),
            own("groot-stale"),
            own("x-request-id"),
        ])
        .max_age(Duration::from_secs(24 * 60 * 60))
}
