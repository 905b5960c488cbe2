//! What clients asked and what they were told, in order.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use service::token::PositionToken;
use uuid::Uuid;

use super::log::What;
use crate::client::Answer;

/// What a client wants done. All attempts at one operation carry the same idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    pub kind: Kind,
    /// Who asks, by number.
    pub person: usize,
    /// The post that it is about. None for one that creates a post: it is told with the answer.
    pub post: Option<Uuid>,
    /// The comment that is changed.
    pub comment: Option<Uuid>,
    /// The version that it asks for by If-Match.
    pub expected: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Create,
    /// To a title that no other operation gives: it always changes something.
    Edit,
    /// The same by PUT, which gives all fields.
    Replace,
    Publish,
    /// Under a slug that was chosen: that of this number.
    PublishAs(u32),
    Unpublish,
    /// To be published at this time, in milliseconds since 1970, which no other operation gives.
    Schedule(i64),
    Delete,
    Restore,
    Comment,
    /// As with titles.
    EditComment,
    Like,
    Unlike,
}

impl Kind {
    /// Whether it may find everything as it asks for.
    pub fn may_change_nothing(self) -> bool {
        use Kind::{Like, Publish, PublishAs, Restore, Unlike, Unpublish};
        matches!(self, Publish | PublishAs(_) | Unpublish | Restore | Like | Unlike)
    }

    /// Whether it is about the post itself, and not about what people say of it.
    pub fn is_of_post(self) -> bool {
        !matches!(self, Self::Comment | Self::EditComment | Self::Like | Self::Unlike)
    }

    /// Whether it may lead to this.
    pub fn asks_for(self, what: What) -> bool {
        match self {
            Self::Create => what == What::Created,
            Self::Edit | Self::Replace => what == What::Edited,
            Self::Publish => what == What::Published,
            Self::PublishAs(_) => matches!(what, What::Published | What::SlugStep),
            Self::Unpublish => what == What::Unpublished,
            Self::Schedule(at_millis) => what == What::Scheduled { at_millis },
            Self::Delete => what == What::Deleted,
            Self::Restore => matches!(what, What::Restored { .. }),
            Self::Comment | Self::EditComment => what == What::Commented,
            Self::Like => matches!(what, What::Liked(_)),
            Self::Unlike => matches!(what, What::Unliked(_)),
        }
    }

    /// The slug that it chooses.
    pub fn slug(self) -> Option<String> {
        if let Self::PublishAs(number) = self { Some(format!("chosen-{number}")) } else { None }
    }
}

/// One request. Times are since the start of the history, on one clock that never goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub operation: u64,
    pub instance: usize,
    pub began: Duration,
    pub ended: Duration,
    pub told: Told,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Done {
        status: u16,
        aggregate: Uuid,
        version: u64,
        position: PositionToken,
    },
    /// A rule refused it: this request wrote nothing, but steps to a slug.
    Refused {
        status: u16,
        problem: String,
    },
    /// It reached no owner, or a full queue: this request wrote nothing.
    NotMade {
        problem: String,
    },
    /// It may have been written or not, by now or later.
    InDoubt {
        why: String,
    },
    /// What no client may ever be told, or none that asks as these do.
    Broken {
        status: u16,
        problem: String,
    },
}

#[derive(Clone, Debug, Default)]
pub struct History {
    pub operations: BTreeMap<u64, Operation>,
    /// In the order of their ends.
    pub attempts: Vec<Attempt>,
}

impl History {
    /// One line for each attempt.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for Attempt { operation, instance, began, ended, told } in &self.attempts {
            let wanted = self.operations.get(operation);
            writeln!(
                file,
                "{:.6}\t{:.6}\toperation {operation}\tinstance {}\t{wanted:?}\t{told:?}",
                began.as_secs_f64(),
                ended.as_secs_f64(),
                instance + 1
            )?;
        }
        file.flush()
    }
}

impl Told {
    /// What an answer says. `Err` is a request that got none.
    pub fn of(answer: &Result<Answer, String>) -> Self {
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return Self::InDoubt { why: why.clone() },
        };
        let problem = answer.body["type"].as_str().unwrap_or_default().trim_start_matches("/problems/").to_owned();
        let status = answer.status;
        match (status, problem.as_str()) {
            (200 | 201, _) => Self::done(answer).unwrap_or(Self::Broken { status, problem: answer.body.to_string() }),
            (503, "no-owner" | "overloaded") => Self::NotMade { problem },
            (503, _) => Self::InDoubt { why: problem },
            (_, "not-found" | "rule-broken" | "slug-taken" | "version-mismatch" | "validation-failed") => {
                Self::Refused { status, problem }
            }
            _ => Self::Broken { status, problem },
        }
    }

    fn done(answer: &Answer) -> Option<Self> {
        Some(Self::Done {
            status: answer.status,
            aggregate: answer.body["id"].as_str()?.parse().ok()?,
            version: answer.body["version"].as_u64()?,
            position: answer.body["position"].as_str()?.parse().ok()?,
        })
    }

    /// For counting.
    pub fn label(&self) -> String {
        match self {
            Self::Done { status, .. } => format!("{status} done"),
            Self::Refused { status, problem } => format!("{status} {problem}"),
            Self::NotMade { problem } => format!("503 {problem}"),
            Self::InDoubt { why } if why == "outcome-unknown" => "503 outcome-unknown".to_owned(),
            Self::InDoubt { why } => format!("no answer: {why}"),
            Self::Broken { status, problem } => format!("{status} {problem} (never allowed)"),
        }
    }
}

/// Writes the history while it happens.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    history: Mutex<History>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { began: Instant::now(), history: Mutex::default() }
    }
}

impl Recorder {
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Gives the operation its number. It is known before its first attempt.
    pub fn begin(&self, operation: Operation) -> u64 {
        let mut history = self.lock();
        let number = history.operations.len() as u64 + 1;
        history.operations.insert(number, operation);
        number
    }

    pub fn ended(&self, operation: u64, instance: usize, began: Duration, told: Told) {
        let mut history = self.lock();
        let ended = self.now();
        history.attempts.push(Attempt { operation, instance, began, ended, told });
    }

    pub fn history(&self) -> History {
        self.lock().clone()
    }

    /// How many requests were answered, and how many of them with "done".
    pub fn counts(&self) -> (usize, usize) {
        let history = self.lock();
        let done = history.attempts.iter().filter(|attempt| matches!(attempt.told, Told::Done { .. })).count();
        (history.attempts.len(), done)
    }

    /// Whether each of these partitions acknowledged a write that was begun after `since`.
    pub fn all_serve_since(&self, partitions: u32, since: Duration) -> bool {
        let history = self.lock();
        let mut served = std::collections::BTreeSet::new();
        for attempt in history.attempts.iter().rev().take_while(|attempt| attempt.ended >= since) {
            if let Told::Done { position, .. } = &attempt.told
                && attempt.began >= since
            {
                served.insert(position.partition);
            }
        }
        served.len() == partitions as usize
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::*;

    fn told(status: u16, problem: &str) -> Told {
        let body = json!({ "type": format!("/problems/{problem}") });
        Told::of(&Ok(Answer { status, headers: HeaderMap::new(), body }))
    }

    /// A key of its own for each operation: that it was used for another request cannot be.
    #[test]
    fn only_refusals_that_these_clients_may_meet_are_refusals() {
        assert!(matches!(told(412, "version-mismatch"), Told::Refused { .. }));
        assert!(matches!(told(503, "overloaded"), Told::NotMade { .. }));
        for (status, problem) in
            [(422, "idempotency-key-reused"), (400, "malformed"), (403, "forbidden"), (500, "internal")]
        {
            assert!(matches!(told(status, problem), Told::Broken { .. }), "{problem}");
        }
    }
}
