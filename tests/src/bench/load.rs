//! Load over HTTP/1.1: each connection has one request on its way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use xtask::stack::Stack;
use xtask::token::{self, Person, Role};

use super::body;
use crate::client::{Answer, Client};
use crate::program::Program;
use crate::system::POSTS;

/// What `nice` takes at most.
const LOWEST_PRIORITY: i32 = 19;

/// So far that two connections seldom send the same.
const APART: usize = 31;

/// What is asked, and of whom.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub method: Method,
    /// Taken in turn.
    pub paths: Arc<Vec<String>>,
    /// Bearer tokens, taken in turn; none for requests without any.
    pub tokens: Arc<Vec<String>>,
    /// Taken in turn; one empty body for requests without any.
    pub bodies: Arc<Vec<Bytes>>,
    /// How far apart connections begin in all that is taken in turn.
    pub apart: usize,
    /// The status of every good answer.
    pub status: u16,
}

impl Target {
    /// Creating posts on a program, with bodies from a seed.
    pub fn posts(program: &Program, author: Option<&str>, seed: u64) -> Result<Self> {
        Ok(Self {
            address: address(program)?,
            method: Method::POST,
            paths: Arc::new(vec![POSTS.to_owned()]),
            tokens: Arc::new(author.map(str::to_owned).into_iter().collect()),
            bodies: Arc::new(body::posts(seed)),
            apart: APART,
            status: 201,
        })
    }

    /// Reads that everybody may make.
    pub fn reads(program: &Program, paths: Vec<String>) -> Result<Self> {
        Ok(Self {
            address: address(program)?,
            method: Method::GET,
            paths: Arc::new(paths),
            tokens: Arc::default(),
            bodies: Arc::new(vec![Bytes::new()]),
            apart: APART,
            status: 200,
        })
    }
}

fn address(program: &Program) -> Result<SocketAddr> {
    program.base.trim_start_matches("http://").parse().context("an address")
}

/// A bearer token of an author who has no name.
pub fn author(stack: &Stack) -> Result<String> {
    let person = Person { role: Role::Author, user: None, name: None };
    token::issue(stack.paths(), &person).map_err(|failure| anyhow!("{failure}"))
}

/// Makes posts, and gives their ids.
pub async fn make_posts(program: &Program, author: &str, count: usize) -> Result<Vec<String>> {
    let http = Client::default();
    let mut ids = Vec::with_capacity(count);
    for post in body::posts(1).into_iter().cycle().take(count) {
        let request = http.request("POST", &format!("{}{POSTS}", program.base)).bearer_auth(author);
        let made = Answer::of(request.header("content-type", "application/json").body(post)).await?;
        ensure!(made.status == 201, "a post could not be made: {made:?}");
        ids.push(made.id().to_owned());
    }
    Ok(ids)
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends the next as soon as it has an answer.
    Closed,
    /// So many in a second over all connections. A request that is late because its connection still waits for an
    /// answer counts from when it was due, so that a slow server cannot hide behind the requests that it held up.
    PerSecond(f64),
}

/// What a person may choose of every bench with a load.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub connections: usize,
    pub rounds: usize,
    /// Of each measurement.
    pub duration: Duration,
}

/// What came of a load.
#[derive(Debug)]
pub struct Outcome {
    pub answers: u64,
    pub seconds: f64,
    /// In microseconds.
    pub latency: Histogram<u64>,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    pub fn millis(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// Sends for `warm_up` and then for `duration`, of which the second alone is counted.
///
/// # Errors
/// On the first answer that is not the expected one: figures of a server that fails mean nothing.
pub async fn run(
    target: &Target,
    connections: usize,
    pace: Pace,
    warm_up: Duration,
    duration: Duration,
) -> Result<Outcome> {
    let begin = Instant::now() + warm_up;
    let end = begin + duration;
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let mut connection = Connection::open(target.clone(), number).await?;
        let interval = match pace {
            Pace::Closed => None,
            Pace::PerSecond(rate) => Some(Duration::from_secs_f64(connections as f64 / rate)),
        };
        // Spread over the interval, so that the connections do not send in step.
        let offset = interval.unwrap_or_default().mul_f64(number as f64 / connections as f64);
        tasks.spawn(async move { connection.send_until(begin, end, interval, offset).await });
    }
    let mut latency = histogram();
    while let Some(done) = tasks.join_next().await {
        latency.add(done.context("a connection's task ended")??)?;
    }
    Ok(Outcome { answers: latency.len(), seconds: duration.as_secs_f64(), latency })
}

/// The same from a thread of the lowest priority: a load that comes from another machine takes nothing of this one's processors.
pub async fn run_yielding(
    target: &Target,
    connections: usize,
    pace: Pace,
    warm_up: Duration,
    duration: Duration,
) -> Result<Outcome> {
    let (done, outcome) = oneshot::channel();
    let target = target.clone();
    std::thread::Builder::new().name("yielding load".to_owned()).spawn(move || {
        let outcome = (|| {
            rustix::process::nice(LOWEST_PRIORITY).context("the priority cannot be lowered")?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(&target, connections, pace, warm_up, duration))
        })();
        // Whoever does not wait any more wants no outcome.
        let _ = done.send(outcome);
    })?;
    outcome.await.context("the thread of the load died")?
}

fn histogram() -> Histogram<u64> {
    // To a minute in microseconds, with three digits; the bounds are constants that fit.
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("constant bounds")
}

struct Connection {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
    /// Which body and which path come next.
    next: usize,
}

impl Connection {
    async fn open(target: Target, number: usize) -> Result<Self> {
        let stream = TcpStream::connect(target.address)
            .await
            .with_context(|| format!("nobody listens on {}", target.address))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with its sender.
        tokio::spawn(connection);
        Ok(Self { next: number * target.apart, target, sender })
    }

    async fn send_until(
        &mut self,
        begin: Instant,
        end: Instant,
        interval: Option<Duration>,
        offset: Duration,
    ) -> Result<Histogram<u64>> {
        let mut latency = histogram();
        let mut due = Instant::now() + offset;
        loop {
            let mut start = Instant::now();
            if let Some(interval) = interval {
                if start < due {
                    sleep_until(due).await;
                    start = Instant::now();
                } else {
                    start = due;
                }
                due += interval;
            }
            if start >= end {
                return Ok(latency);
            }
            self.send().await?;
            let now = Instant::now();
            if start >= begin && now <= end {
                latency.saturating_record((now - start).as_micros() as u64);
            }
        }
    }

    async fn send(&mut self) -> Result<()> {
        let Target { paths, bodies, tokens, .. } = &self.target;
        let token = tokens.get(self.next % tokens.len().max(1));
        let (path, body) = (&paths[self.next % paths.len()], bodies[self.next % bodies.len()].clone());
        self.next += 1;
        let mut request = Request::builder()
            .method(self.target.method.clone())
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != self.target.status {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }
}
