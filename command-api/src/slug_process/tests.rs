//! The process against the decisions of the domain, one command at a time, in any order and with an end between any two.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use event_schema::event::DomainEvent;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::domain::slug_reservation::{SlugState, reservation_id};
use crate::domain::spec::{AUTHOR, OTHER_AUTHOR, new_post, now};
use crate::domain::{AggregateState, Context, decide, evolve};

/// All partitions: aggregates and the commands that made them.
struct Log {
    aggregates: BTreeMap<Uuid, Aggregate>,
    clock: DateTime<Utc>,
}

struct Aggregate {
    state: Option<AggregateState>,
    time: DateTime<Utc>,
    events: Vec<DomainEvent>,
    commands: BTreeMap<Uuid, (CommandHash, u64)>,
}

impl Log {
    /// A log with so many drafts.
    fn with_drafts(count: u128) -> Self {
        let mut log = Self { aggregates: BTreeMap::new(), clock: now() };
        for n in 0..count {
            assert!(log.make(&on_post(post(n), PostCommand::Create(new_post()))));
        }
        log
    }

    fn make(&mut self, submission: &Submission) -> bool {
        matches!(self.answer(submission, self.clock), Answer::Done(_))
    }

    /// What the owner of the aggregate's partition does, whose clock shows this.
    fn answer(&mut self, submission: &Submission, clock: DateTime<Utc>) -> Answer {
        let id = submission.command.aggregate_id();
        let empty = || Aggregate { state: None, time: clock, events: Vec::new(), commands: BTreeMap::new() };
        let aggregate = self.aggregates.entry(id).or_insert_with(empty);
        let done = |version, changed| {
            Answer::Done(Receipt { aggregate_id: id, version, partition: 0, offset: version, changed })
        };
        if let Some((hash, version)) = aggregate.commands.get(&submission.command_id) {
            return if *hash == submission.command_hash { done(*version, true) } else { Answer::KeyReused };
        }
        let version = aggregate.events.len() as u64;
        let context = Context {
            actor: submission.actor.clone(),
            now: clock.max(aggregate.time),
            version,
            expected_version: submission.expected_version,
        };
        let events = match decide(aggregate.state.as_ref(), None, &submission.command, &context) {
            Ok(events) if events.is_empty() => return done(version, false),
            Ok(events) => events,
            Err(rejection) => return Answer::Rejected(rejection),
        };
        for event in events {
            aggregate.state = Some(evolve(aggregate.state.take(), &event, context.now));
            aggregate.events.push(event);
        }
        aggregate.time = context.now;
        let version = aggregate.events.len() as u64;
        aggregate.commands.insert(submission.command_id, (submission.command_hash, version));
        done(version, true)
    }

    fn slug_of(&self, post: PostId) -> Option<&str> {
        match &self.aggregates[&post.as_uuid()].state {
            Some(AggregateState::Post(state)) => state.slug.as_deref(),
            _ => panic!("there is no post"),
        }
    }

    fn reservation(&self, slug: &str) -> SlugState {
        match self.aggregates.get(&reservation_id(slug)).and_then(|aggregate| aggregate.state.as_ref()) {
            None => SlugState::Free,
            Some(AggregateState::Slug(state)) => *state,
            Some(other) => panic!("{other:?}"),
        }
    }

    fn history(&self, id: Uuid) -> Vec<&str> {
        let name = |event: &DomainEvent| event.event_type().rsplit('.').next().unwrap();
        self.aggregates[&id].events.iter().map(name).collect()
    }

    fn pass(&mut self, time: TimeDelta) {
        self.clock += time;
    }

    /// One slug is one post's, and whatever is in use is reserved for whoever uses it.
    fn is_sound(&self) {
        let mut owners = BTreeMap::new();
        for (id, aggregate) in &self.aggregates {
            match &aggregate.state {
                Some(AggregateState::Post(state)) => {
                    let Some(slug) = state.slug.as_ref().filter(|slug| SLUGS.contains(&slug.as_str())) else {
                        continue;
                    };
                    assert_eq!(owners.insert(slug.clone(), *id), None, "{slug} is of two posts");
                    let holder = match self.reservation(slug) {
                        SlugState::Free => panic!("{slug} is in use and free"),
                        SlugState::Reserved { by, .. } => by.post,
                        SlugState::Confirmed { post } => post,
                    };
                    assert_eq!(holder.as_uuid(), *id, "{slug} is in use by one post and reserved for another");
                }
                Some(AggregateState::Slug(SlugState::Confirmed { post })) => {
                    let slug = self.slug_of(*post).expect("a confirmed slug is in use");
                    assert_eq!(reservation_id(slug), *id);
                }
                _ => {}
            }
        }
    }
}

const SLUGS: [&str; 2] = ["my-slug", "my-other-slug"];
const SLUG: &str = SLUGS[0];
const EXPIRY: TimeDelta = TimeDelta::milliseconds(HOLD_MILLIS as i64);

fn post(n: u128) -> PostId {
    PostId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n))
}

fn on_post(id: PostId, command: PostCommand) -> Submission {
    let command_id = Uuid::new_v8(rand::random());
    Submission {
        command_id,
        command_hash: CommandHash::of(command_id.as_bytes()),
        command: Command::Post { id, command },
        expected_version: None,
        actor: AUTHOR,
        correlation_id: Uuid::nil(),
        traceparent: None,
    }
}

/// A request under a key: the same each time that it is made.
fn wish(key: u128, post: PostId, slug: &str) -> Wish {
    Wish {
        post,
        slug: slug.to_owned(),
        published_at: None,
        expected_version: None,
        actor: AUTHOR,
        command_id: named_id("test", &[&key.to_be_bytes()]),
        correlation_id: Uuid::nil(),
        traceparent: None,
    }
}

fn begin(wish: &Wish) -> (SlugProcess, Submission) {
    SlugProcess::begin(wish.clone(), CommandHash::of(format!("{} {}", wish.post, wish.slug)))
}

/// Goes on until it is finished, or ends after so many commands.
fn attempt(log: &mut Log, wish: &Wish, commands: usize) -> Option<Answer> {
    let (mut process, mut next) = begin(wish);
    for _ in 0..commands {
        let answer = log.answer(&next, log.clock);
        log.is_sound();
        match process.answered(answer) {
            Next::Make(submission) => next = *submission,
            Next::Finished(answer) => return Some(answer),
        }
    }
    None
}

fn request(log: &mut Log, wish: &Wish) -> Answer {
    attempt(log, wish, 100).expect("it comes to an end")
}

fn made(next: Next) -> Submission {
    match next {
        Next::Make(submission) => *submission,
        Next::Finished(answer) => panic!("it is finished: {answer:?}"),
    }
}

fn version(answer: &Answer) -> u64 {
    match answer {
        Answer::Done(receipt) => receipt.version,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_slug_is_reserved_used_and_confirmed() {
    let mut log = Log::with_drafts(1);
    assert_eq!(version(&request(&mut log, &wish(1, post(0), SLUG))), 2);
    assert_eq!(log.slug_of(post(0)), Some(SLUG));
    assert_eq!(log.history(post(0).as_uuid()), ["PostCreated", "PostPublished"]);
    assert_eq!(log.history(reservation_id(SLUG)), ["SlugReserved", "SlugConfirmed"]);
}

#[test]
fn an_attempt_that_ended_anywhere_is_finished_by_the_next_with_the_same_answer() {
    for commands in 0..5 {
        let mut log = Log::with_drafts(1);
        let wish = wish(1, post(0), SLUG);
        attempt(&mut log, &wish, commands);
        log.pass(EXPIRY * 2);
        let answer = request(&mut log, &wish);
        assert_eq!(version(&answer), 2, "after {commands}");
        assert_eq!(log.history(reservation_id(SLUG)), ["SlugReserved", "SlugConfirmed"], "after {commands}");
        assert!(log.make(&on_post(post(0), PostCommand::Delete)));
        assert_eq!(request(&mut log, &wish), answer, "the first answer, whatever happened since");
    }
}

#[test]
fn another_request_of_the_same_post_goes_on_with_what_the_first_reserved() {
    for commands in 0..5 {
        let mut log = Log::with_drafts(1);
        attempt(&mut log, &wish(1, post(0), SLUG), commands);
        assert_eq!(version(&request(&mut log, &wish(2, post(0), SLUG))), 2, "after {commands}");
        assert_eq!(log.reservation(SLUG), SlugState::Confirmed { post: post(0) });
    }
}

#[test]
fn of_two_posts_the_first_to_reserve_has_the_slug_and_the_other_stays_a_draft() {
    let mut log = Log::with_drafts(2);
    attempt(&mut log, &wish(1, post(0), SLUG), 2);
    assert_eq!(request(&mut log, &wish(2, post(1), SLUG)), TAKEN);
    assert_eq!(log.history(post(1).as_uuid()), ["PostCreated"]);
    assert_eq!(version(&request(&mut log, &wish(1, post(0), SLUG))), 2);
    assert_eq!(request(&mut log, &wish(2, post(1), SLUG)), TAKEN);
    assert_eq!(version(&request(&mut log, &wish(3, post(1), SLUGS[1]))), 2);
}

#[test]
fn a_slug_that_was_reserved_and_never_used_goes_to_the_next_and_a_late_publication_is_refused() {
    let mut log = Log::with_drafts(2);
    let (mut late, check) = begin(&wish(1, post(0), SLUG));
    let reserve = made(late.answered(log.answer(&check, log.clock)));
    let publish = made(late.answered(log.answer(&reserve, log.clock)));
    log.pass(EXPIRY);
    assert_eq!(version(&request(&mut log, &wish(2, post(1), SLUG))), 2);
    assert_eq!(log.history(reservation_id(SLUG)), ["SlugReserved", "SlugReleased", "SlugReserved", "SlugConfirmed"]);
    assert_eq!(log.answer(&publish, log.clock), Answer::Rejected(Rejection::RuleBroken(Rule::SlugReservationLapsed)));
    assert_eq!(log.history(post(0).as_uuid()), ["PostCreated", "PostSlugRefused"]);
    assert_eq!(request(&mut log, &wish(1, post(0), SLUG)), TAKEN);
    assert_eq!(
        version(&request(&mut log, &wish(1, post(0), SLUGS[1]))),
        3,
        "the key is free: nothing was done under it"
    );
}

#[test]
fn an_earlier_attempt_that_comes_late_does_not_hide_a_later_one_of_the_same_post() {
    let mut log = Log::with_drafts(2);
    let (mut earlier, check) = begin(&wish(1, post(0), SLUG));
    let late_reserve = made(earlier.answered(log.answer(&check, log.clock)));
    assert!(log.make(&on_post(post(0), PostCommand::Schedule { at: log.clock + EXPIRY * 10 })));
    let (mut later, check) = begin(&wish(2, post(0), SLUG));
    let reserve = made(later.answered(log.answer(&check, log.clock)));
    let publish = made(later.answered(log.answer(&reserve, log.clock)));
    log.answer(&late_reserve, log.clock);
    log.pass(EXPIRY);
    assert_eq!(version(&request(&mut log, &wish(3, post(1), SLUG))), 2);
    assert!(matches!(log.answer(&publish, log.clock), Answer::Rejected(_)));
    log.is_sound();
}

#[test]
fn a_slug_that_is_in_use_and_was_never_confirmed_is_confirmed_by_the_next_who_wants_it() {
    for end in [None, Some(PostCommand::Unpublish), Some(PostCommand::Delete)] {
        let mut log = Log::with_drafts(2);
        attempt(&mut log, &wish(1, post(0), SLUG), 3);
        if let Some(end) = end {
            assert!(log.make(&on_post(post(0), end)));
        }
        assert_eq!(log.history(reservation_id(SLUG)), ["SlugReserved"]);
        assert_eq!(request(&mut log, &wish(2, post(1), SLUG)), TAKEN, "before it expires it is taken");
        log.pass(EXPIRY);
        assert_eq!(request(&mut log, &wish(2, post(1), SLUG)), TAKEN);
        assert_eq!(log.history(reservation_id(SLUG)), ["SlugReserved", "SlugConfirmed"]);
        assert_eq!(log.history(post(1).as_uuid()), ["PostCreated"]);
    }
}

#[test]
fn a_request_that_is_refused_after_it_reserved_gives_the_slug_up_at_once() {
    let mut log = Log::with_drafts(2);
    let (mut process, check) = begin(&wish(1, post(0), SLUG));
    let reserve = made(process.answered(log.answer(&check, log.clock)));
    let mut next = made(process.answered(log.answer(&reserve, log.clock)));
    assert!(log.make(&on_post(post(0), PostCommand::Delete)));
    let refusal = loop {
        match process.answered(log.answer(&next, log.clock)) {
            Next::Make(submission) => next = *submission,
            Next::Finished(answer) => break answer,
        }
    };
    assert_eq!(refusal, Answer::Rejected(Rejection::RuleBroken(Rule::DeletedPostsAreOnlyRestored)));
    assert_eq!(log.reservation(SLUG), SlugState::Free);
    assert_eq!(version(&request(&mut log, &wish(2, post(1), SLUG))), 2);
}

#[test]
fn whoever_may_not_publish_the_post_reserves_nothing() {
    let mut log = Log::with_drafts(1);
    let answer = request(&mut log, &Wish { actor: OTHER_AUTHOR, ..wish(1, post(0), SLUG) });
    assert!(matches!(answer, Answer::Rejected(Rejection::Forbidden(_))), "{answer:?}");
    assert_eq!(log.reservation(SLUG), SlugState::Free);
}

#[test]
fn what_was_done_is_answered_though_it_could_not_be_confirmed() {
    let receipt = Receipt { aggregate_id: Uuid::nil(), version: 2, partition: 0, offset: 0, changed: true };
    let (mut process, _) = begin(&wish(1, post(0), SLUG));
    assert!(matches!(process.answered(Answer::Done(receipt.clone())), Next::Make(_)));
    assert_eq!(process.unanswered(Failure::NoOwner), Ok(Answer::Done(receipt)));
    let (process, _) = begin(&wish(1, post(0), SLUG));
    assert_eq!(process.unanswered(Failure::OutcomeUnknown), Err(Failure::OutcomeUnknown));
}

/// Requests of two or three posts for one or two slugs, as they may go: begun, carried on, cut off and begun again in any order, with what
/// was sent before arriving again at any time, owners whose clocks differ by up to the time that a slug is kept, and other
/// commands on the posts between.
struct Chaos {
    rng: StdRng,
    log: Log,
    wishes: Vec<Wish>,
    running: Vec<Option<(SlugProcess, Submission)>>,
    done: Vec<Option<u64>>,
    sent: Vec<Submission>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let (posts, slugs) = (rng.random_range(2..4), rng.random_range(1..=SLUGS.len()));
        let wishes: Vec<_> =
            (0..5).map(|key| wish(key, post(rng.random_range(0..posts)), SLUGS[rng.random_range(0..slugs)])).collect();
        let running = wishes.iter().map(|_| None).collect();
        let done = vec![None; wishes.len()];
        Self { rng, log: Log::with_drafts(5), wishes, running, done, sent: Vec::new() }
    }

    fn clock(&mut self) -> DateTime<Utc> {
        self.log.clock - EXPIRY.min(TimeDelta::milliseconds(self.rng.random_range(0..=i64::from(HOLD_MILLIS))))
    }

    fn step(&mut self) {
        let clock = self.clock();
        let which = self.rng.random_range(0..self.wishes.len());
        match self.rng.random_range(0..20) {
            0..12 => self.go_on(which, clock),
            12 => self.running[which] = None,
            13..16 if !self.sent.is_empty() => {
                let again = self.sent[self.rng.random_range(0..self.sent.len())].clone();
                self.log.answer(&again, clock);
            }
            16..18 => self.log.pass(EXPIRY / 2),
            18.. => {
                let command = match self.rng.random_range(0..12) {
                    0 => PostCommand::Delete,
                    1 => PostCommand::Restore,
                    2 => PostCommand::Unpublish,
                    3 => PostCommand::Publish { published_at: None },
                    n => PostCommand::Schedule { at: self.log.clock + EXPIRY * n },
                };
                let id = self.wishes[which].post;
                self.log.answer(&on_post(id, command), clock);
            }
            _ => {}
        }
        self.log.is_sound();
    }

    fn go_on(&mut self, which: usize, clock: DateTime<Utc>) {
        let wish = &self.wishes[which];
        let (mut process, next) = self.running[which].take().unwrap_or_else(|| begin(wish));
        let answer = self.log.answer(&next, clock);
        self.sent.push(next);
        match process.answered(answer) {
            Next::Make(next) => self.running[which] = Some((process, *next)),
            Next::Finished(Answer::Done(receipt)) => {
                assert_eq!(
                    self.log.slug_of(wish.post),
                    Some(wish.slug.as_str()),
                    "it was said to be published under it"
                );
                // What changed nothing is not remembered, and may change something when it is asked again.
                if receipt.changed {
                    let first = *self.done[which].get_or_insert(receipt.version);
                    assert_eq!(first, receipt.version, "a request gets its first answer again");
                }
            }
            Next::Finished(_) => {}
        }
    }

    /// Whatever was left half done is in nobody's way for longer than a slug is kept.
    fn settles(mut self) {
        self.log.pass(EXPIRY * 3);
        for (n, slug) in SLUGS.iter().enumerate() {
            let answer = request(&mut self.log, &wish(100 + n as u128, post(3 + n as u128), slug));
            let owner = (0..5).map(post).find(|post| self.log.slug_of(*post) == Some(slug));
            assert!(owner.is_some(), "{slug} is nobody's, and yet not to be had: {answer:?}");
            self.log.is_sound();
        }
    }
}

#[test]
fn in_any_order_and_with_an_end_between_any_two_steps_a_slug_is_one_posts_and_none_is_lost() {
    for seed in 0..1_000 {
        let outcome = std::panic::catch_unwind(|| {
            let mut chaos = Chaos::new(seed);
            for _ in 0..60 {
                chaos.step();
            }
            chaos.settles();
        });
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
