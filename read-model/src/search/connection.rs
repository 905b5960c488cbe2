//! Speaking to Elasticsearch: JSON there and back, with its errors told apart by what can be done about them.

use std::time::Duration;

use bytes::Bytes;
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::transport::{SingleNodeConnectionPool, TransportBuilder};
use elasticsearch::http::{Method, Url};
use serde_json::Value;

/// A client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Elasticsearch(elasticsearch::Elasticsearch);

/// A request did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ElasticsearchError {
    /// The address cannot be used.
    #[error("{0}")]
    Address(String),
    /// It did not answer, or has no time: asking again may help.
    #[error("Elasticsearch: {0}")]
    Unavailable(String),
    /// It will not do that, however often it is asked. `kind` is its own name for why.
    #[error("Elasticsearch answered {status} {kind}: {reason}")]
    Refused { status: u16, kind: String, reason: String },
}

const NOT_FOUND: u16 = 404;

impl Elasticsearch {
    /// Prepares a client without connecting. An answer that takes longer than `limit` counts as none.
    pub fn new(url: &str, limit: Duration) -> Result<Self, ElasticsearchError> {
        let address = |error: &dyn std::fmt::Display| ElasticsearchError::Address(error.to_string());
        let url = Url::parse(url).map_err(|error| address(&error))?;
        let builder = TransportBuilder::new(SingleNodeConnectionPool::new(url)).timeout(limit).disable_proxy();
        let transport = builder.build().map_err(|error| address(&error))?;
        Ok(Self(elasticsearch::Elasticsearch::new(transport)))
    }

    /// Whether it answers and has all its primaries.
    pub async fn ping(&self) -> Result<(), ElasticsearchError> {
        let health = self.get("_cluster/health").await?.unwrap_or_default();
        match health["status"].as_str() {
            Some("green" | "yellow") => Ok(()),
            other => Err(ElasticsearchError::Unavailable(format!("its health is {}", other.unwrap_or("unknown")))),
        }
    }

    /// None where there is no such thing.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, ElasticsearchError> {
        match self.ask(Method::Get, path, None).await {
            Ok(found) => Ok(Some(found)),
            Err(ElasticsearchError::Refused { status: NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ElasticsearchError> {
        self.ask(Method::Put, path, Some(json(body))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ElasticsearchError> {
        self.ask(Method::Post, path, Some(json(body))).await
    }

    /// Makes all that was written to an index visible to searches.
    pub async fn refresh(&self, index: &str) -> Result<(), ElasticsearchError> {
        self.act(&format!("{index}/_refresh")).await
    }

    /// A POST that says everything in its path.
    pub async fn act(&self, path: &str) -> Result<(), ElasticsearchError> {
        self.ask(Method::Post, path, None).await.map(drop)
    }

    /// The same of what may not be there.
    pub async fn delete_if_there(&self, path: &str) -> Result<(), ElasticsearchError> {
        match self.delete(path).await {
            Err(ElasticsearchError::Refused { status: NOT_FOUND, .. }) => Ok(()),
            deleted => deleted,
        }
    }

    pub async fn delete(&self, path: &str) -> Result<(), ElasticsearchError> {
        self.ask(Method::Delete, path, None).await.map(drop)
    }

    /// Lines of JSON to one of the endpoints that take many requests at once.
    pub async fn lines(&self, path: &str, lines: Vec<u8>) -> Result<Value, ElasticsearchError> {
        self.ask(Method::Post, path, Some(lines.into())).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Value, ElasticsearchError> {
        let answer = self.0.transport().send(method, path, HeaderMap::new(), None::<&()>, body, None).await;
        let answer = answer.map_err(|error| ElasticsearchError::Unavailable(told(&error)))?;
        let status = answer.status_code().as_u16();
        let bytes = answer.bytes().await.map_err(|error| ElasticsearchError::Unavailable(told(&error)))?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let error = &body["error"];
        let kind = error["type"].as_str().unwrap_or("without a type").to_owned();
        let reason = error["reason"].as_str().or(error.as_str()).unwrap_or("without a reason").to_owned();
        if is_passing(status) {
            return Err(ElasticsearchError::Unavailable(format!("it answered {status} {kind}: {reason}")));
        }
        Err(ElasticsearchError::Refused { status, kind, reason })
    }
}

/// Whether the same may be taken later: it is too busy, starts, or has lost a node.
pub fn is_passing(status: u16) -> bool {
    status == 429 || (500..600).contains(&status)
}

fn json(body: &Value) -> Bytes {
    body.to_string().into()
}

/// The driver's own words leave out what lies beneath.
fn told(error: &elasticsearch::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(beneath) = cause {
        told = format!("{told}: {beneath}");
        cause = beneath.source();
    }
    told
}
