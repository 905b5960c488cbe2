//! Passing commands on to the instance that owns their partition, over its admin address.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::partition::seat::Attempt;
use crate::partition::submission::{Answer, Submission};
use crate::routing::Failure;

pub const PATH: &str = "/peer/commands";
/// How often the command has been passed on, this time included.
pub const HOPS: &str = "groot-hops";
/// Milliseconds that are left to answer in.
pub const TIME_LEFT: &str = "groot-time-left";

const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// What an answer may take on the wire after the peer's own deadline.
const GRACE: Duration = Duration::from_millis(200);

/// What a peer answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PeerReply {
    Answered(Answer),
    NoOwner,
    OutcomeUnknown,
}

/// The connections to other instances, kept alive.
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
            // Peers are reached directly, never through a proxy that the environment names.
            .no_proxy()
            .build()?;
        Ok(Self { client, secret })
    }

    pub async fn forward(&self, address: &str, submission: &Submission, hops: u8, deadline: Instant) -> Attempt {
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
