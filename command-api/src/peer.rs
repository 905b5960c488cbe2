//! The other end of forwarding: commands from other instances, taken on the admin address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use service::telemetry::TraceContext;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::Instrument;

use crate::forward::{HOPS, PATH, PeerReply, TIME_LEFT};
use crate::partition::submission::Submission;
use crate::routing::{DEADLINE, MAX_HOPS, Routing};

/// A command of the largest content grows on the wire by escaping.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Who may pass commands on to this instance. They are taken as they are, so it must be nobody else.
#[derive(Clone)]
pub enum Access {
    /// Those who know the secret, of which this is the SHA-256.
    Secret([u8; 32]),
    /// Without a secret, only processes of the same machine.
    SameMachine,
}

#[derive(Clone)]
struct Peering {
    access: Access,
    routing: Arc<Routing>,
}

pub fn routes(access: Access, routing: Arc<Routing>) -> Router {
    Router::new()
        .route(PATH, post(take))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Peering { access, routing })
}

impl Access {
    pub fn new(secret: Option<&str>) -> Self {
        secret.map_or(Self::SameMachine, |secret| Self::Secret(Sha256::digest(secret).into()))
    }

    fn allows(&self, headers: &HeaderMap, from: SocketAddr) -> bool {
        match self {
            // Comparing digests tells nothing about the secret by the time it takes.
            Access::Secret(expected) => headers
                .get(AUTHORIZATION)
                .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
                .is_some_and(|secret| <[u8; 32]>::from(Sha256::digest(secret)) == *expected),
            Access::SameMachine => from.ip().to_canonical().is_loopback(),
        }
    }
}

async fn take(
    State(peering): State<Peering>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Json<Submission>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<PeerReply>, StatusCode> {
    if !peering.access.allows(&headers, from) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let Json(submission) = body.map_err(|rejection| rejection.status())?;
    let trace = submission.traceparent.as_deref().and_then(TraceContext::parse).unwrap_or_default();
    let hops = number(&headers, HOPS).and_then(|hops| u8::try_from(hops).ok()).unwrap_or(MAX_HOPS);
    let left = number(&headers, TIME_LEFT).map_or(DEADLINE, Duration::from_millis).min(DEADLINE);
    let span = tracing::info_span!("peer command", trace.id = trace.trace_id(), hops);
    let made = async {
        let result = peering.routing.execute_for_peer(submission, hops, Instant::now() + left).await;
        tracing::debug!(answered = result.is_ok(), "took a command that was passed on");
        result
    };
    Ok(Json(made.instrument(span).await.into()))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(authorization: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(authorization))])
    }

    #[test]
    fn with_a_secret_only_those_who_know_it_are_let_in() {
        let access = Access::new(Some("open sesame"));
        let near = SocketAddr::from(([127, 0, 0, 1], 1));
        let far = SocketAddr::from(([10, 0, 0, 1], 1));
        assert!(access.allows(&with("Bearer open sesame"), far));
        assert!(!access.allows(&with("Bearer open"), near));
        assert!(!access.allows(&with("open sesame"), near));
        assert!(!access.allows(&HeaderMap::new(), near));
    }

    #[test]
    fn without_a_secret_only_the_same_machine_is_let_in() {
        let access = Access::new(None);
        assert!(access.allows(&HeaderMap::new(), SocketAddr::from(([127, 0, 0, 1], 1))));
        assert!(!access.allows(&HeaderMap::new(), SocketAddr::from(([10, 0, 0, 1], 1))));
    }
}
