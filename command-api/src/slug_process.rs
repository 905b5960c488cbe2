//! Publishing a post under a slug that a person chose: a process over two partitions, that of the post and that of the slug's
//! reservation. `docs/slugs.md` tells what happens when it ends between any two of its steps.
//!
//! Every step is a command of its own, and repeating one changes nothing; so whoever sends the same request again goes on
//! where the first attempt ended, and nothing needs to be remembered anywhere but in the log.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use event_schema::hash::CommandHash;
use event_schema::id::PostId;
use metrics::{counter, describe_counter};
use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::post::PostCommand;
use crate::domain::slug_reservation::{Holding, SlugCommand};
use crate::domain::{Actor, Command, Rejection, Rule};
use crate::named_id::named_id;
use crate::partition::submission::{Answer, Receipt, Submission};
use crate::routing::{DEADLINE, Failure, Routing};

/// How long a slug is kept for a post before another may ask for it, in milliseconds of event time: longer than any
/// request takes. It bounds how long a request that came to nothing is in the way of others; nothing safe rests on it.
pub const HOLD_MILLIS: u32 = 60_000;

const FOUND_EXPIRED: &str = "groot_slug_reservations_found_expired_total";

/// Gives the metrics their help texts; call it once the recorder is installed.
pub fn describe_metrics() {
    describe_counter!(
        FOUND_EXPIRED,
        "Reservations of slugs whose request had ended half-way, found by the next who wanted the slug, by what became of them."
    );
}

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    pub post: PostId,
    pub slug: String,
    pub published_at: Option<DateTime<Utc>>,
    pub expected_version: Option<u64>,
    pub actor: Actor,
    /// The same for every attempt at this; all other command ids are made of it.
    pub command_id: Uuid,
    pub correlation_id: Uuid,
    pub traceparent: Option<String>,
}

/// Publishes, or finds out why not, within the time that one command has.
pub async fn run(routing: &Routing, wish: Wish, command_hash: CommandHash) -> Result<Answer, Failure> {
    let deadline = Instant::now() + DEADLINE;
    let (mut process, mut next) = SlugProcess::begin(wish, command_hash);
    loop {
        next = match routing.execute_until(next, deadline).await {
            Ok(answer) => match process.answered(answer) {
                Next::Make(submission) => *submission,
                Next::Finished(answer) => return Ok(answer),
            },
            Err(failure) => return process.unanswered(failure),
        };
    }
}

/// Where the process stands. It has no IO and no clock: it says which command to make, and is told the answer.
#[derive(Debug)]
struct SlugProcess {
    wish: Wish,
    command_hash: CommandHash,
    waiting: Waiting,
}

/// What the next answer is to.
#[derive(Debug)]
enum Waiting {
    /// May the person publish the post under it? The version in the answer is the token of all that follows.
    Check,
    Reserve {
        token: u64,
    },
    Publish {
        token: u64,
    },
    /// The post is published; what becomes of this changes no answer.
    Confirm(Receipt),
    /// The reservation of another post has expired: has that post been published under it?
    RefuseTheirs {
        theirs: Holding,
        token: u64,
    },
    /// It has.
    ConfirmTheirs,
    /// The post will not be published under our reservation, for this reason: no other attempt may either, before it is free.
    RefuseOurs {
        token: u64,
        reason: Answer,
    },
    ReleaseOurs(Answer),
}

#[derive(Debug)]
enum Next {
    Make(Box<Submission>),
    Finished(Answer),
}

const TAKEN: Answer = Answer::Rejected(Rejection::RuleBroken(Rule::SlugTaken));

impl SlugProcess {
    fn begin(wish: Wish, command_hash: CommandHash) -> (Self, Submission) {
        let process = Self { wish, command_hash, waiting: Waiting::Check };
        let check = process.check();
        (process, check)
    }

    fn answered(&mut self, answer: Answer) -> Next {
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Check);
        match (waiting, answer) {
            // The check has the id of the publication: so it was made before, by an attempt that may not have confirmed.
            (Waiting::Check, Answer::Done(receipt)) if receipt.changed => self.confirm(receipt),
            (Waiting::Check, Answer::Done(Receipt { version, .. })) => self.reserve(version, None),
            (Waiting::Check, refused) => Next::Finished(refused),

            (Waiting::Reserve { token }, Answer::Done(_)) => self.publish(token),
            (Waiting::Reserve { token }, Answer::Rejected(Rejection::ReservationExpired(theirs))) => {
                self.make(Waiting::RefuseTheirs { theirs, token }, self.refusal(theirs))
            }
            (Waiting::Reserve { .. }, refused) => Next::Finished(refused),

            (Waiting::Publish { .. }, Answer::Done(receipt)) => self.confirm(receipt),
            // Somebody asked the post meanwhile, since this took too long. It may be tried anew, with another token.
            (Waiting::Publish { .. }, Answer::Rejected(Rejection::RuleBroken(Rule::SlugReservationLapsed))) => {
                self.make(Waiting::Check, self.check())
            }
            // It may be accepted a moment later, under the same reservation.
            (Waiting::Publish { .. }, answer @ (Answer::Overloaded | Answer::NotOwner)) => Next::Finished(answer),
            (Waiting::Publish { token }, reason) => {
                let refusal = self.refusal(self.ours(token));
                self.make(Waiting::RefuseOurs { token, reason }, refusal)
            }

            (Waiting::Confirm(receipt), answer) => {
                self.note_unless_done("confirmed", &answer);
                Next::Finished(Answer::Done(receipt))
            }

            (Waiting::RefuseTheirs { theirs, token }, Answer::Done(_)) => {
                counter!(FOUND_EXPIRED, "outcome" => "released").increment(1);
                self.reserve(token, Some(theirs))
            }
            (Waiting::RefuseTheirs { theirs, .. }, Answer::Rejected(Rejection::RuleBroken(Rule::SlugIsInUse))) => {
                counter!(FOUND_EXPIRED, "outcome" => "confirmed").increment(1);
                self.make(Waiting::ConfirmTheirs, self.confirmation(theirs.post))
            }
            (Waiting::RefuseTheirs { .. }, answer @ (Answer::Overloaded | Answer::NotOwner)) => Next::Finished(answer),
            (Waiting::RefuseTheirs { .. }, answer) => {
                self.note_unless_done("asked of the post that holds it", &answer);
                Next::Finished(TAKEN)
            }
            (Waiting::ConfirmTheirs, answer) => {
                self.note_unless_done("confirmed", &answer);
                Next::Finished(TAKEN)
            }

            (Waiting::RefuseOurs { token, reason }, Answer::Done(_)) => {
                let release = self.on_reservation("groot:slug-release", token, SlugCommand::Release(self.ours(token)));
                self.make(Waiting::ReleaseOurs(reason), release)
            }
            // Another attempt has published it: then the slug is not given up.
            (Waiting::RefuseOurs { reason, .. }, Answer::Rejected(Rejection::RuleBroken(Rule::SlugIsInUse))) => {
                self.make(Waiting::ReleaseOurs(reason), self.confirmation(self.wish.post))
            }
            (Waiting::RefuseOurs { reason, .. }, _) => Next::Finished(reason),
            (Waiting::ReleaseOurs(reason), _) => Next::Finished(reason),
        }
    }

    /// What the person is told when a command got no answer: the reservation that is left is for the next to ask about.
    fn unanswered(self, failure: Failure) -> Result<Answer, Failure> {
        match self.waiting {
            Waiting::Confirm(receipt) => {
                tracing::warn!(slug = self.wish.slug, post.id = %self.wish.post, "a slug is in use and could not be confirmed; the next who wants it does that");
                Ok(Answer::Done(receipt))
            }
            Waiting::RefuseOurs { reason, .. } | Waiting::ReleaseOurs(reason) => Ok(reason),
            Waiting::ConfirmTheirs => Ok(TAKEN),
            Waiting::Check | Waiting::Reserve { .. } | Waiting::Publish { .. } | Waiting::RefuseTheirs { .. } => {
                Err(failure)
            }
        }
    }

    fn reserve(&mut self, token: u64, refused: Option<Holding>) -> Next {
        let command = SlugCommand::Reserve { by: self.ours(token), hold_millis: HOLD_MILLIS, refused };
        let submission = self.on_reservation("groot:slug-reserve", token, command);
        self.make(Waiting::Reserve { token }, submission)
    }

    fn publish(&mut self, token: u64) -> Next {
        let Wish { slug, published_at, .. } = &self.wish;
        let publish = self.request(PostCommand::PublishAs { published_at: *published_at, slug: slug.clone(), token });
        self.make(Waiting::Publish { token }, publish)
    }

    fn confirm(&mut self, receipt: Receipt) -> Next {
        self.make(Waiting::Confirm(receipt), self.confirmation(self.wish.post))
    }

    fn make(&mut self, waiting: Waiting, submission: Submission) -> Next {
        self.waiting = waiting;
        Next::Make(Box::new(submission))
    }

    fn ours(&self, token: u64) -> Holding {
        Holding { post: self.wish.post, token }
    }

    fn check(&self) -> Submission {
        let Wish { slug, published_at, .. } = &self.wish;
        self.request(PostCommand::CheckPublishAs { published_at: *published_at, slug: slug.clone() })
    }

    /// A command on the post that is the person's own request.
    fn request(&self, command: PostCommand) -> Submission {
        let command = Command::Post { id: self.wish.post, command };
        Submission {
            command_hash: self.command_hash,
            expected_version: self.wish.expected_version,
            ..self.step(self.wish.command_id, self.wish.actor.clone(), command)
        }
    }

    /// A command of this attempt on the reservation. After a refusal the token is another, and so is the id.
    fn on_reservation(&self, purpose: &str, token: u64, command: SlugCommand) -> Submission {
        let id = named_id(purpose, &[self.wish.command_id.as_bytes(), &token.to_be_bytes()]);
        let command = Command::Slug { slug: self.wish.slug.clone(), command };
        self.step(id, self.wish.actor.clone(), command)
    }

    /// Has a post refuse a token for good. Whoever asks for it at whatever time, it is one command.
    fn refusal(&self, holding: Holding) -> Submission {
        let Holding { post, token } = holding;
        let slug = self.wish.slug.clone();
        let id = named_id("groot:slug-refuse", &[slug.as_bytes(), post.as_uuid().as_bytes(), &token.to_be_bytes()]);
        let command = Command::Post { id: post, command: PostCommand::RefuseSlug { slug, token } };
        self.step(id, Actor::System, command)
    }

    fn confirmation(&self, post: PostId) -> Submission {
        let slug = self.wish.slug.clone();
        let id = named_id("groot:slug-confirm", &[slug.as_bytes(), post.as_uuid().as_bytes()]);
        let command = Command::Slug { slug, command: SlugCommand::Confirm { post } };
        self.step(id, Actor::System, command)
    }

    fn step(&self, command_id: Uuid, actor: Actor, command: Command) -> Submission {
        Submission {
            command_id,
            // The id is made of all that the command is about.
            command_hash: CommandHash::of(command_id.as_bytes()),
            command,
            expected_version: None,
            actor,
            correlation_id: self.wish.correlation_id,
            traceparent: self.wish.traceparent.clone(),
        }
    }

    fn note_unless_done(&self, what: &str, answer: &Answer) {
        if !matches!(answer, Answer::Done(_)) {
            tracing::error!(slug = self.wish.slug, post.id = %self.wish.post, ?answer, "the reservation of a slug could not be {what}");
        }
    }
}
