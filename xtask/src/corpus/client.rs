//! A client of the command API as anybody could write it: retries under the same key while the server asks to.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use thiserror::Error;

/// How often one command is sent before the load gives up.
const ATTEMPTS: u32 = 20;
/// The pause before the next attempt where the server names none.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Error)]
pub enum ClientError {
    #[error("{what}: {address} does not answer: {source}")]
    Unreachable { what: String, address: String, source: reqwest::Error },
    #[error("{what}: the server answered {status}: {body}")]
    Refused { what: String, status: StatusCode, body: String },
    #[error("{what}: the server still answered {status} at attempt {attempts}: {body}")]
    Unavailable { what: String, status: StatusCode, body: String, attempts: u32 },
}

#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub fn new(base: &str) -> Self {
        Self { http: reqwest::Client::new(), base: base.trim_end_matches('/').to_owned() }
    }

    /// Posts `body` under an idempotency key, so that however often it is sent it counts once.
    pub async fn post(&self, path: &str, token: &str, key: &str, body: &Value) -> Result<Value, ClientError> {
        let url = format!("{}{path}", self.base);
        let what = || format!("POST {path} ({key})");
        let mut attempt = 0;
        loop {
            attempt += 1;
            let sent = self.http.post(&url).bearer_auth(token).header("Idempotency-Key", key).json(body).send().await;
            let response = match sent {
                Ok(response) => response,
                Err(source) if attempt == ATTEMPTS => {
                    return Err(ClientError::Unreachable { what: what(), address: url, source });
                }
                // A server that is restarting refuses connections for a moment: the key makes it safe to ask again.
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let status = response.status();
            let pause = retry_after(&response);
            let body = response.text().await.unwrap_or_default();
            if status.is_success() {
                return Ok(serde_json::from_str(&body).unwrap_or(Value::Null));
            }
            if status != StatusCode::SERVICE_UNAVAILABLE && status != StatusCode::TOO_MANY_REQUESTS {
                return Err(ClientError::Refused { what: what(), status, body });
            }
            if attempt == ATTEMPTS {
                return Err(ClientError::Unavailable { what: what(), status, body, attempts: attempt });
            }
            tokio::time::sleep(pause).await;
        }
    }
}

fn retry_after(response: &reqwest::Response) -> Duration {
    let seconds =
        response.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs)
}
