//! Passing commands on to the instance that owns their partition, over its admin address.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::meters;
use crate::partition::seat::Attempt;
use crate::partition::submission::{Answer, Submission};
use crate::routing::Failure;

pub const PATH: &str = "/peer/commands";
/// How often the command has been passed on, this time included.
pub const HOPS: &str = "groot-hops";
/// Milliseconds that are left to answer in.
pub const TIME_LEFT: &str = "groot-time-left";

const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// While commands wait on a connection, a peer that answers no ping within the second of these is gone or paused.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_LIMIT: Duration = Duration::from_secs(2);
/// What an answer may take on the wire after the peer's own deadline.
const GRACE: Duration = Duration::from_millis(200);

/// What a peer answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PeerReply {
    Answered(Answer),
    NoOwner,
    OutcomeUnknown,
}

/// The connections to other instances: one each, kept alive, over which all commands go side by side (HTTP/2).
#[derive(Clone, Debug)]
pub struct Peers {
    client: reqwest::Client,
    secret: Option<String>,
}

impl Peers {
    /// `secret` is shown to peers; without one only those on the same machine take commands.
    pub fn new(secret: Option<String>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .http2_prior_knowledge()
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_LIMIT)
            // Peers are reached directly, never through a proxy that the environment names.
            .no_proxy()
            .build()?;
        Ok(Self { client, secret })
    }

    /// Makes the command at the instance that is reached at `address`, waiting for the answer until the deadline.
    pub async fn forward(&self, address: &str, submission: &Submission, hops: u8, deadline: Instant) -> Attempt {
        let attempt = self.attempt(address, submission, hops, deadline).await;
        meters::passed_on(&attempt);
        tracing::debug!(peer = address, hops, outcome = attempt.label(), "passed a command on");
        attempt
    }

    async fn attempt(&self, address: &str, submission: &Submission, hops: u8, deadline: Instant) -> Attempt {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = self
            .client
            .post(format!("{address}{PATH}"))
            .header(HOPS, hops.to_string())
            .header(TIME_LEFT, left.as_millis().to_string())
            .timeout(left + GRACE)
            .json(submission);
        if let Some(traceparent) = &submission.traceparent {
            request = request.header("traceparent", traceparent);
        }
        if let Some(secret) = &self.secret {
            request = request.bearer_auth(secret);
        }
        let response = match request.send().await {
            Ok(response) => response,
            // Nothing of it was sent.
            Err(error) if error.is_connect() => {
                tracing::debug!(peer = address, "the owner of the partition cannot be reached: {error}");
                return Attempt::NotMade;
            }
            Err(error) => {
                tracing::warn!(peer = address, "a command was passed on and got no answer: {error}");
                return Attempt::InDoubt;
            }
        };
        let status = response.status();
        if status.is_client_error() {
            tracing::error!(peer = address, %status, "a peer refuses commands that are passed on; is GROOT_PEER_SECRET the same everywhere?");
            return Attempt::NotMade;
        }
        match response.json::<PeerReply>().await {
            Ok(PeerReply::Answered(Answer::NotOwner)) => Attempt::InDoubt,
            Ok(PeerReply::Answered(answer)) => Attempt::Answered(answer),
            Ok(PeerReply::NoOwner) => Attempt::NotMade,
            Ok(PeerReply::OutcomeUnknown) => Attempt::InDoubt,
            Err(error) => {
                tracing::warn!(peer = address, %status, "a peer's answer cannot be read: {error}");
                Attempt::InDoubt
            }
        }
    }
}

impl From<Result<Answer, Failure>> for PeerReply {
    fn from(result: Result<Answer, Failure>) -> Self {
        match result {
            Ok(answer) => PeerReply::Answered(answer),
            Err(Failure::NoOwner) => PeerReply::NoOwner,
            Err(Failure::OutcomeUnknown) => PeerReply::OutcomeUnknown,
        }
    }
}
