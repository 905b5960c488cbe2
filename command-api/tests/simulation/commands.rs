//! Whole partition runtimes with the product's own domain, and clients that retry everything everywhere.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use command_api::domain::comment::CommentCommand;
use command_api::domain::like::LikeCommand;
use command_api::domain::post::{Change, PostChanges, PostCommand, PostContents};
use command_api::domain::slug_reservation::{Holding, SlugCommand};
use command_api::domain::{self, Actor, Command, Rights};
use command_api::partition::aggregates::{Aggregates, Recorded};
use command_api::partition::runtime::{Runtime, RuntimeConfig};
use command_api::partition::submission::{Answer, Halted, Output, Receipt, Submission, Ticket};
use event_log::log::LogEvent;
use event_log::owner::{Now, Owner, OwnerConfig};
use event_log::reader::Commit;
use event_log::simulated::{Fate, SimulatedLog};
use event_log::state::{MemoryState, StateStore};
use event_schema::codec::Codec;
use event_schema::event::DomainEvent;
use event_schema::hash::CommandHash;
use event_schema::id::{CommentId, PersonId, PostId};
use event_schema::meta::EventMeta;
use event_schema::post::{PostEvent, PostType, RestoredStatus};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use uuid::Uuid;

use crate::fold;
use crate::schedule::{Clients, Node, PARTITION, START, Schedule};

const POSTS: u128 = 3;
/// Comments of each post.
const COMMENTS: u128 = 3;
const PEOPLE: u128 = 3;

/// Gives how many commits of several events count in the end.
pub fn run(seed: u64) -> usize {
    let mut schedule = Schedule::<RuntimeNode, Authors>::new(seed, Authors::default());
    schedule.disturb(600);
    schedule.heal();

    let records = schedule.cluster.records(PARTITION);
    let commits = fold::fold(&records);
    fold::assert_resuming_changes_nothing(&records);
    let mut history = History::of(&commits);
    assert_only_published_posts_took_responses(&commits);
    for order in schedule.clients.orders.values() {
        history.assert_true(order);
    }
    let serving = schedule.members.iter().filter(|member| member.node.runtime.owner().serving().is_some()).count();
    assert!(serving > 0, "nobody serves");
    let now = schedule.now();
    for member in &mut schedule.members {
        let clock = member.node.clock(now);
        let serves = member.node.runtime.owner().serving().is_some();
        let aggregates = member.node.runtime.aggregates_mut();
        // Whoever has read to the end knows what the log says, and nothing else, wherever it started.
        assert_eq!(aggregates.len(), history.latest.len() as u64);
        for id in history.latest.keys() {
            let aggregate = history.fold.get(*id, true).expect("memory can be read").expect("it has events");
            assert_eq!(
                aggregates.get(*id, true).expect("memory can be read").as_ref(),
                Some(&aggregate),
                "a member disagrees about {id}"
            );
            let due = domain::due(&aggregate.state);
            let overdue = serves && due.is_some_and(|at| at <= clock);
            assert!(!overdue, "{id} was due at {due:?} and nothing came of it by {clock}");
        }
        for (command, (id, version, offset)) in &history.by_command {
            let aggregate = aggregates.get(*id, true).expect("memory can be read").expect("it has a command");
            let known = aggregates.remembered(*id, &aggregate, *command).expect("memory can be read");
            let known = known.map(|known| (known.version, known.offset));
            assert_eq!(known, Some((*version, *offset)), "a member has forgotten {command}");
        }
    }
    commits.iter().filter(|commit| commit.records.len() > 1).count()
}

/// As [`run`], but then the log loses its end. An owner whose state rests on what is lost must halt, whatever is appended after
/// the cut, and neither serve nor read over it.
pub fn run_with_cut(seed: u64) {
    let mut schedule = Schedule::<RuntimeNode, Authors>::new(seed, Authors::default());
    schedule.disturb(300);
    schedule.heal();
    let now = schedule.now();
    for member in &mut schedule.members {
        // It flushes then.
        member.node.release(now);
    }
    let end = schedule.cluster.records(PARTITION).len();
    let lost = schedule.rng.random_range(1..=end.min(6));
    schedule.cluster.cut(PARTITION, lost);
    for disk in schedule.members.iter().map(|member| member.disk.clone()).collect::<Vec<_>>() {
        let ahead = disk.checkpoint().position.is_past((end - lost) as u64);
        let instance = 1_000_000 + schedule.rng.random_range(0..1_000_000);
        let config = OwnerConfig { owner: "restarted".to_owned(), ..OwnerConfig::default() };
        let mut node = RuntimeNode::start(schedule.cluster.log(instance), config, seed, disk);
        node.assign(schedule.now(), 1_000_000);
        let (mut halted, mut served) = (false, false);
        let mut now = schedule.now();
        for _ in 0..100 {
            for route in schedule.cluster.in_flight() {
                schedule.cluster.land(route, Fate::Lands);
            }
            while let Some(event) = schedule.cluster.deliver(instance, PARTITION, true) {
                node.handle(now, event);
            }
            now += Duration::from_secs(10);
            node.tick(now);
            while let Some(output) = node.runtime.poll() {
                halted |= matches!(output, Output::Halted(Halted::Log(_)));
                served |= matches!(output, Output::Serving(_));
            }
        }
        assert_eq!((halted, served), (ahead, !ahead), "state that was flushed past the cut is {ahead}");
    }
}

/// In the order of the log, every like and every comment came to a post that was published then: who decided it knew of all
/// that came before, pending or not.
fn assert_only_published_posts_took_responses(commits: &[Commit]) {
    let mut published = BTreeMap::new();
    for record in commits.iter().flat_map(|commit| &commit.records) {
        let (meta, schema_fp) = EventMeta::from_headers(|name| record.headers.get(name)).expect("metadata");
        let value = record.value.as_deref().expect("a value");
        let event = codec().decode_cached(&meta.event_type, schema_fp, value).expect("an event");
        let key = event.key(meta.aggregate_id);
        assert_eq!(record.key.as_deref(), Some(key.to_string().as_bytes()), "{event:?} has another key");
        match &event {
            DomainEvent::Post(event) => {
                let restored = |status| status == RestoredStatus::Published;
                match event {
                    PostEvent::Published(_) => published.insert(key, true),
                    PostEvent::Restored(event) => published.insert(key, restored(event.status)),
                    PostEvent::Unpublished(_) | PostEvent::Deleted(_) => published.insert(key, false),
                    PostEvent::Created(_)
                    | PostEvent::Edited(_)
                    | PostEvent::Scheduled(_)
                    | PostEvent::SlugRefused(_) => None,
                };
            }
            DomainEvent::Comment(_) | DomainEvent::Like(_) => {
                assert_eq!(published.get(&key), Some(&true), "{event:?} came to a post that was not published");
            }
            DomainEvent::Person(_) | DomainEvent::Slug(_) => {}
        }
    }
}

/// What the log says, by command and by aggregate.
struct History {
    /// A fold of its own, from the first record on.
    fold: Aggregates<MemoryState>,
    by_command: BTreeMap<Uuid, (Uuid, u64, u64)>,
    /// How many events a command led to.
    events: BTreeMap<Uuid, u64>,
    versions: BTreeMap<(Uuid, u64), u64>,
    latest: BTreeMap<Uuid, (u64, u64)>,
}

impl History {
    fn of(commits: &[Commit]) -> Self {
        let mut history = Self {
            fold: Aggregates::new(MemoryState::default(), 1_000_000),
            by_command: BTreeMap::new(),
            events: BTreeMap::new(),
            versions: BTreeMap::new(),
            latest: BTreeMap::new(),
        };
        for record in commits.iter().flat_map(|commit| &commit.records) {
            let (meta, schema_fp) = EventMeta::from_headers(|name| record.headers.get(name)).expect("it has metadata");
            let value = record.value.as_deref().expect("it has a value");
            let event = codec().decode_cached(&meta.event_type, schema_fp, value).expect("it is an event");
            let (offset, timestamp) = (record.offset, record.timestamp);
            history.fold.apply(&Recorded { event: &event, meta: &meta, offset, timestamp }).expect("it comes next");
        }
        for commit in commits {
            let last = commit.records.last().expect("a commit has a record");
            let (meta, _) = EventMeta::from_headers(|name| last.headers.get(name)).expect("an event has metadata");
            let (version, _) = history.latest.get(&meta.aggregate_id).copied().unwrap_or_default();
            let count = commit.records.len() as u64;
            assert_eq!(meta.version, version + count, "versions of {} are not 1, 2, 3", meta.aggregate_id);
            history.events.insert(meta.command_id, count);
            history.latest.insert(meta.aggregate_id, (meta.version, last.offset));
            history.versions.insert((meta.aggregate_id, meta.version), last.offset);
            let former = history.by_command.insert(meta.command_id, (meta.aggregate_id, meta.version, last.offset));
            assert_eq!(former, None, "command {} counts twice", meta.command_id);
        }
        history
    }

    fn assert_true(&self, order: &Order) {
        let id = order.submission.command_id;
        let mut accepted = order.answers.iter().filter_map(|answer| match answer {
            Answer::Done(receipt) if receipt.changed => Some(receipt),
            _ => None,
        });
        if let Some(first) = accepted.clone().next() {
            assert!(
                accepted.all(|receipt| receipt == first),
                "command {id} got different answers: {:?}",
                order.answers
            );
            let counted = self.by_command.get(&id);
            assert_eq!(
                counted,
                Some(&(first.aggregate_id, first.version, first.offset)),
                "command {id} was acknowledged"
            );
            if let Some(expected) = order.submission.expected_version {
                assert_eq!(
                    first.version,
                    expected + self.events[&id],
                    "command {id} was accepted over another version"
                );
            }
        }
        for answer in &order.answers {
            if let Answer::Done(Receipt { aggregate_id, version, offset, changed: false, .. }) = answer {
                // It rests on the version of the aggregate and on some version of its root, and is as late as both.
                let own = self.versions.get(&(*aggregate_id, *version));
                assert!(own.is_some() || *version == 0, "command {id} changed nothing: {answer:?}");
                let root = order.submission.command.root_id();
                // A slug that nobody has reserved has nothing to release.
                if *version == 0 && matches!(order.submission.command, Command::Slug { .. }) {
                    continue;
                }
                let of_root = self.versions.iter().any(|((of, _), at)| *of == root && at == offset);
                let known = own == Some(offset) || (of_root && own.is_none_or(|own| own < offset));
                assert!(known, "command {id} changed nothing: {answer:?}");
            }
        }
    }
}

pub struct RuntimeNode {
    runtime: Runtime<SimulatedLog, MemoryState>,
    /// How far this instance's wall clock is off.
    skew: TimeDelta,
}

impl RuntimeNode {
    fn clock(&self, now: Now) -> DateTime<Utc> {
        clock_at(now) + self.skew
    }
}

pub fn codec() -> Arc<Codec> {
    static CODEC: OnceLock<Arc<Codec>> = OnceLock::new();
    CODEC.get_or_init(|| Arc::new(Codec::offline())).clone()
}

impl Node for RuntimeNode {
    type Disk = MemoryState;

    fn start(log: SimulatedLog, config: OwnerConfig, seed: u64, disk: MemoryState) -> Self {
        let owner = Owner::new(config, PARTITION, disk.checkpoint().position, seed);
        let config = RuntimeConfig {
            due_below: 64,
            record_limit: 4 << 20,
            source: "/simulation".to_owned(),
            flush_entries: (seed % 7) as usize * 3,
            flush_after: Duration::from_millis(seed % 5 * 500),
        };
        // A cache that holds nothing, one that holds an aggregate or two, and one that holds all.
        let cache = [1, 1_500, 1_000_000][(seed % 3) as usize];
        let skew = TimeDelta::minutes((seed % 240) as i64 - 120);
        let mut runtime = Runtime::new(config, log, owner, codec(), Aggregates::new(disk, cache), seed);
        runtime.open();
        Self { runtime, skew }
    }

    fn assign(&mut self, now: Now, generation: i32) {
        self.runtime.assign(now, generation);
    }

    fn hand_over(&mut self, now: Now) {
        self.runtime.hand_over(self.clock(now), now);
    }

    fn release(&mut self, now: Now) {
        self.runtime.release(self.clock(now), now);
    }

    fn abandon(&mut self, now: Now) {
        self.runtime.abandon(self.clock(now), now);
    }

    fn handle(&mut self, now: Now, event: LogEvent) {
        self.runtime.handle(now, self.clock(now), event);
        self.runtime.flush();
    }

    fn tick(&mut self, now: Now) {
        self.runtime.tick(now, self.clock(now));
        self.runtime.flush();
    }
}

/// A command that somebody wants done, and every answer that any attempt at it got.
struct Order {
    submission: Submission,
    answers: Vec<Answer>,
}

impl Order {
    fn is_settled(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer, Answer::Done(_) | Answer::Rejected(_) | Answer::KeyReused))
    }
}

#[derive(Default)]
struct Authors {
    orders: BTreeMap<usize, Order>,
    /// Which order an attempt is for, and at which member it waits.
    attempts: BTreeMap<Ticket, (usize, usize)>,
    tickets: Ticket,
}

impl Clients<RuntimeNode> for Authors {
    fn act(&mut self, rng: &mut StdRng, now: Now, member: usize, node: &mut RuntimeNode) {
        let known: Vec<usize> = self.orders.keys().copied().collect();
        let order = match known.choose(rng) {
            Some(order) if rng.random_bool(0.4) => *order,
            _ => self.order(rng, now),
        };
        self.attempt(now, order, member, node);
    }

    fn listen(&mut self, _member: usize, node: &mut RuntimeNode) {
        while let Some(output) = node.runtime.poll() {
            if let Output::Answer(ticket, answer) = output {
                let (order, _) = self.attempts.remove(&ticket).expect("an attempt is answered once");
                self.orders.get_mut(&order).expect("an attempt is for an order").answers.push(answer);
            }
        }
    }

    fn crashed(&mut self, member: usize) {
        self.attempts.retain(|_, (_, at)| *at != member);
    }

    fn insist(&mut self, now: Now, member: usize, node: &mut RuntimeNode) -> bool {
        let unsettled: Vec<usize> =
            self.orders.iter().filter(|(_, order)| !order.is_settled()).map(|(id, _)| *id).collect();
        for order in &unsettled {
            if !self.attempts.values().any(|attempt| *attempt == (*order, member)) {
                self.attempt(now, *order, member, node);
            }
        }
        !unsettled.is_empty()
    }
}

impl Authors {
    fn attempt(&mut self, now: Now, order: usize, member: usize, node: &mut RuntimeNode) {
        self.tickets += 1;
        self.attempts.insert(self.tickets, (order, member));
        let clock = node.clock(now);
        node.runtime.submit(now, clock, self.tickets, self.orders[&order].submission.clone());
    }

    fn order(&mut self, rng: &mut StdRng, now: Now) -> usize {
        let number = self.orders.len();
        let post = PostId::new(Uuid::from_u128(rng.random_range(1..=POSTS)));
        let command = match rng.random_range(0..12) {
            0..5 => Command::Post { id: post, command: command(rng, now) },
            5..8 => response(rng, post),
            8..10 => reservation(rng),
            _ => {
                let command = if rng.random_bool(0.7) { LikeCommand::Like } else { LikeCommand::Unlike };
                Command::Like { post, person: person(rng), command }
            }
        };
        // Now and then somebody uses the key of another command on the same aggregate.
        let reused = self
            .orders
            .get(&rng.random_range(0..number.max(1)))
            .filter(|order| order.submission.command.aggregate_id() == command.aggregate_id() && rng.random_bool(0.3));
        let command_id = match reused {
            Some(order) => order.submission.command_id,
            None => uuid::Builder::from_random_bytes(rng.random()).into_uuid(),
        };
        // Who creates has seen no version, and reservations have none that anybody sees.
        let sees_versions = !command.is_create() && !matches!(command, Command::Slug { .. });
        let expected_version = (sees_versions && rng.random_bool(0.3)).then(|| rng.random_range(1..8));
        let actor = match &command {
            Command::Like { person, .. } => *person,
            _ => person(rng),
        };
        let submission = Submission {
            command_id,
            command_hash: CommandHash::from_bytes(rng.random()),
            command,
            expected_version,
            actor: Actor::Person { id: actor, rights: Rights::ADMIN },
            correlation_id: command_id,
            traceparent: None,
        };
        self.orders.insert(number, Order { submission, answers: Vec::new() });
        number
    }
}

fn person(rng: &mut StdRng) -> PersonId {
    PersonId::new(Uuid::from_u128(0xAD00 + rng.random_range(0..PEOPLE)))
}

fn response(rng: &mut StdRng, post: PostId) -> Command {
    let id = post.as_uuid().as_u128() * 0x100 + rng.random_range(0..COMMENTS);
    let content = format!("Comment {}", rng.random_range(0..3));
    let command = match rng.random_range(0..6) {
        0..3 => CommentCommand::Add { content },
        3..5 => CommentCommand::Edit { content: Some(content) },
        _ => CommentCommand::Delete,
    };
    Command::Comment { post, id: CommentId::new(Uuid::from_u128(id)), command }
}

/// Reserves a slug, now and then over the holding of another post: that releases it and reserves it in one commit of two events.
fn reservation(rng: &mut StdRng) -> Command {
    let mut holding =
        || Holding { post: PostId::new(Uuid::from_u128(rng.random_range(1..=POSTS))), token: rng.random_range(1..=2) };
    let (by, refused) = (holding(), Some(holding()));
    let command = match rng.random_range(0..8) {
        0..7 => SlugCommand::Reserve { by, hold_millis: rng.random_range(1..10_000), refused },
        _ => SlugCommand::Release(by),
    };
    Command::Slug { slug: format!("slug-{}", rng.random_range(0..2)), command }
}

fn command(rng: &mut StdRng, now: Now) -> PostCommand {
    let at = clock_at(now);
    match rng.random_range(0..10) {
        0..3 => PostCommand::Create(contents()),
        3..6 => PostCommand::Edit(PostChanges {
            title: Some(format!("Title {}", rng.random_range(0..4))),
            published_at: Change::Keep,
            ..PostChanges::default()
        }),
        6 => PostCommand::Publish { published_at: None },
        7 => PostCommand::Unpublish,
        8 => PostCommand::Schedule { at: at + TimeDelta::milliseconds(rng.random_range(1..20_000)) },
        _ if rng.random_bool(0.5) => PostCommand::Delete,
        _ => PostCommand::Restore,
    }
}

pub fn contents() -> PostContents {
    PostContents {
        post_type: PostType::Article,
        title: "A title".to_owned(),
        content: "Text".to_owned(),
        excerpt: String::new(),
        tags: Vec::new(),
        category: String::new(),
        media: Vec::new(),
        author_id: None,
        published_at: None,
    }
}

pub fn clock_at(now: Now) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(START + now.as_millis() as i64).expect("a time of this century")
}
