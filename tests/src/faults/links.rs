//! The connections between programs and brokers, where they go through proxies that can cut, hold and slow them.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::server::toxiproxy::proxy;
use xtask::stack::Stack;

use crate::client::{Answer, Client};
use crate::waiting::until;

/// Some of the proxies of a stack. Ways and brokers count from 0.
#[derive(Clone, Debug)]
pub struct Links {
    api: String,
    /// Tells what is done to these from what is done to others that share a proxy with them.
    label: String,
    names: Vec<String>,
    http: Client,
}

/// What goes to the brokers, or what comes from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    ToBrokers,
    FromBrokers,
}

/// Longer than any test: what is held waits until it is let go.
const FOR_EVER: Duration = Duration::from_secs(100_000);

impl Links {
    /// From one way to all brokers.
    pub fn of_way(stack: &Stack, way: usize) -> Self {
        Self::new(stack, format!("way-{}", way + 1), |its_way, _| its_way == way)
    }

    /// From all ways to one broker.
    pub fn to_broker(stack: &Stack, broker: usize) -> Self {
        Self::new(stack, format!("broker-{}", broker + 1), |_, its_broker| its_broker == broker)
    }

    fn new(stack: &Stack, label: String, chosen: impl Fn(usize, usize) -> bool) -> Self {
        let addresses = stack.addresses();
        let mut names = Vec::new();
        for (way, brokers) in addresses.ways.iter().enumerate() {
            let brokers = 0..brokers.split(',').count();
            names.extend(brokers.filter(|broker| chosen(way, *broker)).map(|broker| proxy(way + 1, broker + 1)));
        }
        assert!(!names.is_empty(), "the stack has no such way or broker");
        Self { api: addresses.toxiproxy_url.clone(), label, names, http: Client::default() }
    }

    /// Closes every connection and lets no new one come about.
    pub async fn cut(&self) {
        self.enable(false).await;
    }

    /// Undoes [`Links::cut`].
    pub async fn mend(&self) {
        self.enable(true).await;
    }

    /// Holds everything that is sent back, until [`Links::let_go`].
    pub async fn hold(&self, stream: Stream) {
        self.slow(stream, FOR_EVER).await;
    }

    /// Everything that is sent arrives this much later.
    pub async fn slow(&self, stream: Stream, by: Duration) {
        self.poison(stream, "latency", json!({ "latency": by.as_millis() as u64, "jitter": 0 })).await;
    }

    /// No connection takes more than so many bytes, then it breaks: what is larger never arrives, until [`Links::let_go`].
    pub async fn limit(&self, stream: Stream, bytes: usize) {
        self.poison(stream, "limit_data", json!({ "bytes": bytes })).await;
    }

    async fn poison(&self, stream: Stream, kind: &str, attributes: Value) {
        let toxic =
            json!({ "name": self.toxic(stream), "type": kind, "stream": stream.name(), "attributes": attributes });
        for name in &self.names {
            self.tell("POST", &format!("/proxies/{name}/toxics"), Some(&toxic)).await;
        }
    }

    /// What was held or slowed goes on to where it was sent, and nothing is held or slowed any more.
    pub async fn let_go(&self, stream: Stream) {
        for name in &self.names {
            let path = format!("{}/proxies/{name}/toxics/{}", self.api, self.toxic(stream));
            // Where much was held and nobody takes it any more, the proxy needs longer than it lets a request take (25 s), and
            // says 503; it goes on all the same, and in the end there is no such toxic.
            until("the proxy to let go", async || {
                let answer = Answer::of(self.http.request("DELETE", &path)).await.expect("the proxies are there");
                assert!(answer.status < 300 || matches!(answer.status, 404 | 503), "DELETE {path}: {answer:#?}");
                (answer.status != 503).then_some(())
            })
            .await;
        }
    }

    fn toxic(&self, stream: Stream) -> String {
        format!("{}-{}", self.label, stream.name())
    }

    async fn enable(&self, enabled: bool) {
        for name in &self.names {
            self.tell("POST", &format!("/proxies/{name}"), Some(&json!({ "enabled": enabled }))).await;
        }
    }

    async fn tell(&self, method: &str, path: &str, body: Option<&Value>) {
        let mut request = self.http.request(method, &format!("{}{path}", self.api));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = Answer::of(request).await.expect("the proxies are there");
        assert!(answer.status < 300, "{method} {path}: {answer:#?}");
    }
}

/// Undoes whatever was done to any connection: for a test that finds what one before it left behind.
pub async fn reset(stack: &Stack) {
    let links = Links::new(stack, "all".to_owned(), |_, _| true);
    links.tell("POST", "/reset", None).await;
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::ToBrokers => "upstream",
            Self::FromBrokers => "downstream",
        }
    }
}
