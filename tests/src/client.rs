//! An HTTP client, and answers that are easy to check.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::waiting::PATIENCE;

#[derive(Clone, Debug)]
pub struct Client(reqwest::Client);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null where there is none.
    pub body: Value,
}

impl Default for Client {
    fn default() -> Self {
        Self(reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("it needs nothing from outside"))
    }
}

impl Client {
    pub fn request(&self, method: &str, url: &str) -> RequestBuilder {
        self.0.request(Method::from_bytes(method.as_bytes()).expect("a method"), url)
    }

    /// Whether the address answers with 200.
    pub async fn is_ok(&self, url: &str) -> bool {
        self.request("GET", url).send().await.is_ok_and(|response| response.status() == 200)
    }
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(text()))
        };
        Ok(Self { status, headers, body })
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// A problem of the catalogue; `kinds` are the ends of its type.
    #[track_caller]
    pub fn expect_problem(self, status: u16, kinds: &[&str]) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:#?}");
        let kind = answer.body["type"].as_str().unwrap_or_default().trim_start_matches("/problems/");
        assert!(kinds.contains(&kind), "{answer:#?}");
        answer
    }

    /// 503, and when to come back.
    #[track_caller]
    pub fn expect_unavailable(self, kinds: &[&str]) -> Self {
        let answer = self.expect_problem(503, kinds);
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{answer:#?}");
        answer
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    pub fn id(&self) -> &str {
        self.text("id")
    }

    #[track_caller]
    pub fn position(&self) -> &str {
        self.text("position")
    }

    #[track_caller]
    fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {self:#?}"))
    }
}
