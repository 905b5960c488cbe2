//! Clients that write to several instances at once, and ask again under the same key whenever they were left in doubt.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::history::{Kind, Operation, Recorder, Told};
use super::log::traceparent;
use crate::client::{Answer, Client};
use crate::system::{Caller, POSTS};

/// Longer than the deadline of a command, 8 s: what hangs longer is a stopped process.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// Posts that are written at the same time, few enough that clients get into each other's way.
const POOL: usize = 48;
const ATTEMPTS: u64 = 8;

pub struct Load<'a> {
    /// Where the instances serve clients.
    pub instances: Vec<String>,
    /// One for each client; each must be allowed to edit everybody's posts.
    pub callers: Vec<Caller>,
    pub recorder: &'a Recorder,
    pub seed: u64,
    /// Posts with the last version that somebody was told.
    pub posts: Mutex<Vec<(Uuid, u64)>>,
    pub http: Client,
}

impl Load<'_> {
    /// Writes until told to stop, and ends when every request has been answered or given up.
    pub async fn run(&self, stop: &CancellationToken) {
        join_all((0..self.callers.len()).map(|client| self.client(client, stop))).await;
    }

    async fn client(&self, client: usize, stop: &CancellationToken) {
        let mut rng = StdRng::seed_from_u64(self.seed ^ (client as u64) << 32);
        while !stop.is_cancelled() {
            let operation = self.operation(&mut rng);
            self.perform(client, operation, &mut rng).await;
            sleep(Duration::from_millis(rng.random_range(10..120))).await;
        }
    }

    fn operation(&self, rng: &mut StdRng) -> Operation {
        let posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = posts.choose(rng).copied().filter(|_| rng.random_bool(0.8));
        let Some((aggregate, version)) = known else {
            return Operation { kind: Kind::Create, aggregate: None, expected: None };
        };
        let kind = match rng.random_range(0..10) {
            0..8 => Kind::Edit,
            8 => Kind::Publish,
            _ => Kind::Unpublish,
        };
        let expected = rng.random_bool(0.5).then_some(version);
        Operation { kind, aggregate: Some(aggregate), expected }
    }

    async fn perform(&self, client: usize, operation: Operation, rng: &mut StdRng) {
        let number = self.recorder.begin(operation);
        for attempt in 0..ATTEMPTS {
            // Now and then the same request goes to two instances at once.
            let copies = if rng.random_bool(0.05) { 2 } else { 1 };
            let attempts: Vec<_> = (0..copies)
                .map(|copy| {
                    self.attempt(
                        client,
                        number,
                        2 * attempt + copy,
                        &operation,
                        rng.random_range(0..self.instances.len()),
                    )
                })
                .collect();
            let told = join_all(attempts).await;
            let settled = told.iter().any(|told| !matches!(told, Told::InDoubt { .. } | Told::NotMade { .. }));
            // What is done is asked for again as well: the answer must be the same. And some never ask again.
            if rng.random_bool(if settled { 0.95 } else { 0.1 }) {
                return;
            }
            sleep(Duration::from_millis(rng.random_range(50..500))).await;
        }
    }

    async fn attempt(&self, client: usize, number: u64, attempt: u64, operation: &Operation, instance: usize) -> Told {
        let began = self.recorder.now();
        let answer = self.send(client, number, attempt, operation, instance).await;
        let told = Told::of(&answer.map_err(|error| reason(&error).to_owned()));
        self.recorder.ended(number, instance, began, told.clone());
        if let Told::Done { aggregate, version, .. } = told {
            self.learn(aggregate, version);
        }
        told
    }

    async fn send(
        &self,
        client: usize,
        number: u64,
        attempt: u64,
        operation: &Operation,
        instance: usize,
    ) -> Result<Answer, reqwest::Error> {
        let title = format!("operation {number}");
        let base = &self.instances[instance];
        let post = || operation.aggregate.map_or_else(String::new, |id| format!("{base}{POSTS}/{id}"));
        let (method, url, body) = match operation.kind {
            Kind::Create => {
                let body = json!({ "type": "note", "title": title, "content": "It *travels*." });
                ("POST", format!("{base}{POSTS}"), Some(body))
            }
            Kind::Edit => ("PATCH", post(), Some(json!({ "title": title }))),
            Kind::Publish => ("POST", format!("{}/publish", post()), None),
            Kind::Unpublish => ("POST", format!("{}/unpublish", post()), None),
        };
        let mut request = self
            .http
            .request(method, &url)
            .timeout(GIVE_UP_AFTER)
            .bearer_auth(&self.callers[client].token)
            .header("Idempotency-Key", &title)
            .header("traceparent", traceparent(number, attempt));
        if let Some(expected) = operation.expected {
            request = request.header("If-Match", format!("\"{expected}\""));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    fn learn(&self, aggregate: Uuid, version: u64) {
        let mut posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        match posts.iter_mut().find(|(id, _)| *id == aggregate) {
            Some((_, known)) => *known = version.max(*known),
            None => {
                if posts.len() == POOL {
                    posts.remove(0);
                }
                posts.push((aggregate, version));
            }
        }
    }
}

fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "nobody listens"
    } else if error.is_timeout() {
        "given up"
    } else {
        "the connection broke"
    }
}
