//! A server for one test, and the two ways of asking it: a client, and bytes on a connection.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use service::http::{HttpSettings, chassis, serve};
use service::problem::ProblemBody;
use service::telemetry::{PrometheusHandle, init_metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// There is one recorder in a process.
pub static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| init_metrics().unwrap());

/// How long a test waits for what should come at once before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Server {
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub ended: JoinHandle<()>,
}

/// Serves the routes within the HTTP layer on a free port.
pub async fn start(routes: Router) -> Server {
    start_with(routes, HttpSettings::default()).await
}

pub async fn start_with(routes: Router, settings: HttpSettings) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(serve(listener, chassis(routes, &settings), shutdown.clone()));
    Server { address, shutdown, ended }
}

impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        client().get(self.url(path)).send().await.unwrap()
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes and reads until the server closes; the request should say `Connection: close`.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read_to_end(&mut stream).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// One client for all tests. It keeps no connection: each test has a runtime of its own, and a kept one would die with it.
pub fn client() -> &'static reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .build()
            .unwrap()
    });
    &CLIENT
}

pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads until the text has come.
pub async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(end) {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut answer)).await.unwrap();
        assert_ne!(read.unwrap(), 0, "closed before {end:?}: {:?}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

/// Checks that the answer is a problem of this type and status, and gives its body.
pub async fn problem(response: reqwest::Response, status: u16, slug: &str) -> ProblemBody {
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let retry_after = response.headers().get("retry-after").cloned();
    let kept: Vec<_> = response.headers().get_all("cache-control").iter().cloned().collect();
    let seen = response.status();
    let text = response.text().await.unwrap();
    assert_eq!((seen.as_u16(), media_type.as_str()), (status, "application/problem+json"), "{text}");
    assert_eq!(kept, ["no-store"], "what was refused now may be answered a moment later: {text}");
    let body: ProblemBody = serde_json::from_str(&text).unwrap();
    assert_eq!((body.kind.as_str(), body.status), (format!("/problems/{slug}").as_str(), status), "{text}");
    assert!(!body.title.is_empty() && !body.detail.is_empty(), "{text}");
    assert_eq!(body.trace_id.len(), 32, "{text}");
    if status == 503 || status == 429 {
        let seconds: u64 = retry_after.unwrap().to_str().unwrap().parse().unwrap();
        assert_eq!(Some(seconds), body.retry_after);
    }
    body
}

/// The body of a raw answer that is a problem.
pub fn raw_problem(answer: &str) -> ProblemBody {
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a head and a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
