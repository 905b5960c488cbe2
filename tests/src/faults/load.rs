//! Clients that write to several instances at once, and ask again under the same key whenever they were left in doubt.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::history::{Kind, Operation, Recorder, Told};
use super::log::traceparent;
use crate::client::{Answer, Client};
use crate::system::{Caller, POSTS};

/// Longer than the deadline of a command, 8 s: what hangs longer is a stopped process.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// Posts, and comments, that are written at the same time, few enough that clients get into each other's way.
const POOL: usize = 48;
const ATTEMPTS: u64 = 8;
/// How soon what is scheduled is due, in milliseconds.
const DUE_AFTER: Range<i64> = 500..5_000;

pub struct Load<'a> {
    /// Where the instances serve clients.
    pub instances: Vec<String>,
    /// One for each client; each must be allowed to edit everybody's posts.
    pub callers: Vec<Caller>,
    pub recorder: &'a Recorder,
    pub seed: u64,
    pub known: Mutex<Known>,
    pub http: Client,
}

/// What somebody was told of, each with the last version told.
#[derive(Debug, Default)]
pub struct Known {
    posts: Vec<(Uuid, u64)>,
    /// With their posts and whose they are.
    comments: Vec<(Uuid, u64, Uuid, usize)>,
    /// How many slugs were chosen.
    slugs: u32,
    /// Those that somebody chose and never asked for again when left in doubt: many are reserved until that expires.
    left: Vec<u32>,
    /// When something was or is to be published, in milliseconds since 1970.
    dues: BTreeSet<i64>,
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
            self.perform(operation, &mut rng).await;
            sleep(Duration::from_millis(rng.random_range(10..120))).await;
        }
    }

    fn operation(&self, rng: &mut StdRng) -> Operation {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever it is: several clients like for the same person at once.
        let person = rng.random_range(0..self.callers.len());
        let create = Operation { kind: Kind::Create, person, post: None, comment: None, expected: None };
        let Some((post, version)) = known.posts.choose(rng).copied().filter(|_| rng.random_bool(0.85)) else {
            return create;
        };
        let ask = rng.random_bool(0.5);
        let on_post = |kind, expected| Operation { kind, post: Some(post), expected, ..create };
        match rng.random_range(0..28) {
            0..7 => on_post(Kind::Edit, ask.then_some(version)),
            7..9 => on_post(Kind::Replace, Some(version)),
            9..12 => on_post(Kind::Publish, ask.then_some(version)),
            12..14 => on_post(Kind::PublishAs(known.slug(rng)), ask.then_some(version)),
            14 => on_post(Kind::Unpublish, ask.then_some(version)),
            15..17 => on_post(Kind::Schedule(known.due(rng)), ask.then_some(version)),
            17 => on_post(Kind::Delete, ask.then_some(version)),
            18..20 => on_post(Kind::Restore, ask.then_some(version)),
            20..23 => on_post(Kind::Like, None),
            23..25 => on_post(Kind::Unlike, None),
            25 => match known.comments.choose(rng).copied() {
                Some((comment, version, post, person)) => Operation {
                    kind: Kind::EditComment,
                    person,
                    post: Some(post),
                    comment: Some(comment),
                    expected: ask.then_some(version),
                },
                None => on_post(Kind::Comment, None),
            },
            _ => on_post(Kind::Comment, None),
        }
    }

    async fn perform(&self, operation: Operation, rng: &mut StdRng) {
        let number = self.recorder.begin(operation);
        for attempt in 0..ATTEMPTS {
            // Now and then the same request goes to two instances at once.
            let copies = if rng.random_bool(0.05) { 2 } else { 1 };
            let attempts: Vec<_> = (0..copies)
                .map(|copy| {
                    self.attempt(number, 2 * attempt + copy, &operation, rng.random_range(0..self.instances.len()))
                })
                .collect();
            let told = join_all(attempts).await;
            let settled = told.iter().any(|told| !matches!(told, Told::InDoubt { .. } | Told::NotMade { .. }));
            // What is done is asked for again as well: the answer must be the same. And some never ask again.
            let slug = if let Kind::PublishAs(slug) = operation.kind { Some(slug) } else { None };
            let leaves = match (settled, slug) {
                (true, _) => 0.95,
                (false, Some(_)) => 0.5,
                (false, None) => 0.1,
            };
            if rng.random_bool(leaves) {
                if let (false, Some(slug)) = (settled, slug) {
                    keep(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner).left, slug);
                }
                return;
            }
            sleep(Duration::from_millis(rng.random_range(50..500))).await;
        }
    }

    async fn attempt(&self, number: u64, attempt: u64, operation: &Operation, instance: usize) -> Told {
        let began = self.recorder.now();
        let answer = self.send(number, attempt, operation, instance).await;
        let told = Told::of(&answer.map_err(|error| reason(&error).to_owned()));
        self.recorder.ended(number, instance, began, told.clone());
        if let Told::Done { aggregate, version, .. } = told {
            self.learn(operation, aggregate, version);
        }
        told
    }

    async fn send(
        &self,
        number: u64,
        attempt: u64,
        operation: &Operation,
        instance: usize,
    ) -> Result<Answer, reqwest::Error> {
        let title = format!("operation {number}");
        let post = operation.post.map_or_else(String::new, |id| format!("/{id}"));
        let comment = operation.comment.map_or_else(String::new, |id| format!("/{id}"));
        let content = || Some(json!({ "content": format!("*{title}*") }));
        let (method, path, body) = match operation.kind {
            Kind::Create => ("POST", String::new(), Some(whole(&title))),
            Kind::Edit => ("PATCH", post, Some(json!({ "title": title }))),
            Kind::Replace => ("PUT", post, Some(whole(&title))),
            Kind::Publish => ("POST", format!("{post}/publish"), None),
            Kind::PublishAs(_) => ("POST", format!("{post}/publish"), Some(json!({ "slug": operation.kind.slug() }))),
            Kind::Schedule(at) => {
                let at = DateTime::from_timestamp_millis(at).expect("a time of these days");
                ("POST", format!("{post}/schedule"), Some(json!({ "at": at })))
            }
            Kind::Delete => ("DELETE", post, None),
            Kind::Restore => ("POST", format!("{post}/restore"), None),
            Kind::Unpublish => ("POST", format!("{post}/unpublish"), None),
            Kind::Comment => ("POST", format!("{post}/comments"), content()),
            Kind::EditComment => ("PATCH", format!("{post}/comments{comment}"), content()),
            Kind::Like => ("PUT", format!("{post}/like"), None),
            Kind::Unlike => ("DELETE", format!("{post}/like"), None),
        };
        let mut request = self
            .http
            .request(method, &format!("{}{POSTS}{path}", self.instances[instance]))
            .timeout(GIVE_UP_AFTER)
            .bearer_auth(&self.callers[operation.person].token)
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

    fn learn(&self, operation: &Operation, aggregate: Uuid, version: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { posts, comments, .. } = &mut *known;
        match (operation.kind, operation.post) {
            (Kind::Like | Kind::Unlike, _) => {}
            (Kind::Comment | Kind::EditComment, Some(post)) => {
                match comments.iter_mut().find(|(id, ..)| *id == aggregate) {
                    Some((_, known, ..)) => *known = version.max(*known),
                    None => keep(comments, (aggregate, version, post, operation.person)),
                }
            }
            _ => match posts.iter_mut().find(|(id, _)| *id == aggregate) {
                Some((_, known)) => *known = version.max(*known),
                None => keep(posts, (aggregate, version)),
            },
        }
    }
}

impl Known {
    /// The number of a slug: a new one, or, so that some are wanted for several posts, one of the last, or one that was left,
    /// whose reservation may have expired.
    fn slug(&mut self, rng: &mut StdRng) -> u32 {
        match rng.random_range(0..10) {
            0..3 if self.slugs > 0 => rng.random_range(self.slugs.saturating_sub(3)..self.slugs),
            3..5 if !self.left.is_empty() => self.left[rng.random_range(0..self.left.len())],
            _ => {
                self.slugs += 1;
                self.slugs - 1
            }
        }
    }

    fn due(&mut self, rng: &mut StdRng) -> i64 {
        loop {
            let at = Utc::now().timestamp_millis() + rng.random_range(DUE_AFTER);
            if self.dues.insert(at) {
                return at;
            }
        }
    }
}

fn whole(title: &str) -> Value {
    json!({ "type": "note", "title": title, "content": "It *travels*." })
}

/// The oldest goes when there are enough.
fn keep<T>(pool: &mut Vec<T>, one: T) {
    if pool.len() == POOL {
        pool.remove(0);
    }
    pool.push(one);
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
