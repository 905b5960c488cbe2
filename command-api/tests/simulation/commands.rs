//! Whole partition runtimes with the product's own domain, and clients that retry everything everywhere.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use command_api::domain::post::{Change, PostChanges, PostCommand, PostContents};
use command_api::domain::{self, Actor, Command, Rights};
use command_api::partition::runtime::{Runtime, RuntimeConfig};
use command_api::partition::submission::{Answer, Output, Receipt, Submission, Ticket};
use event_log::log::LogEvent;
use event_log::owner::{Now, Owner, OwnerConfig};
use event_log::position::Position;
use event_log::reader::Commit;
use event_log::simulated::SimulatedLog;
use event_schema::codec::Codec;
use event_schema::hash::CommandHash;
use event_schema::id::{PersonId, PostId};
use event_schema::meta::EventMeta;
use event_schema::post::PostType;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use uuid::Uuid;

use crate::fold;
use crate::schedule::{Clients, Node, PARTITION, START, Schedule};

const POSTS: u128 = 3;

pub fn run(seed: u64) {
    let mut schedule = Schedule::<RuntimeNode, Authors>::new(seed, Authors::default());
    schedule.disturb(600);
    schedule.heal();

    let records = schedule.cluster.records(PARTITION);
    let commits = fold::fold(&records);
    fold::assert_resuming_changes_nothing(&records);
    let history = History::of(&commits);
    for order in schedule.clients.orders.values() {
        history.assert_true(order);
    }
    let serving: Vec<_> =
        schedule.members.iter().filter(|member| member.node.runtime.owner().serving().is_some()).collect();
    assert!(!serving.is_empty(), "nobody serves");
    for member in serving {
        let clock = member.node.clock(schedule.now());
        for id in history.latest.keys() {
            let due = member.node.runtime.aggregates().get(*id).and_then(|aggregate| domain::due(&aggregate.state));
            assert!(due.is_none_or(|at| at > clock), "{id} was due at {due:?} and nothing came of it by {clock}");
        }
    }
    for member in &schedule.members {
        // Whoever has read to the end knows what the log says, and nothing else.
        for (id, (version, offset)) in &history.latest {
            let known =
                member.node.runtime.aggregates().get(*id).map(|aggregate| (aggregate.version, aggregate.offset));
            assert_eq!(known, Some((*version, *offset)), "a member disagrees about {id}");
        }
    }
}

/// What the log says, by command and by aggregate.
#[derive(Default)]
struct History {
    by_command: BTreeMap<Uuid, (Uuid, u64, u64)>,
    versions: BTreeMap<(Uuid, u64), u64>,
    latest: BTreeMap<Uuid, (u64, u64)>,
}

impl History {
    fn of(commits: &[Commit]) -> Self {
        let mut history = Self::default();
        for commit in commits {
            let last = commit.records.last().expect("a commit has a record");
            let (meta, _) = EventMeta::from_headers(|name| last.headers.get(name)).expect("an event has metadata");
            let (version, _) = history.latest.get(&meta.aggregate_id).copied().unwrap_or_default();
            assert_eq!(meta.version, version + 1, "versions of {} are not 1, 2, 3", meta.aggregate_id);
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
                assert_eq!(first.version, expected + 1, "command {id} was accepted over another version");
            }
        }
        for answer in &order.answers {
            if let Answer::Done(Receipt { aggregate_id, version, offset, changed: false, .. }) = answer {
                assert_eq!(self.versions.get(&(*aggregate_id, *version)), Some(offset), "command {id} changed nothing");
            }
        }
    }
}

pub struct RuntimeNode {
    runtime: Runtime<SimulatedLog>,
    /// How far this instance's wall clock is off.
    skew: TimeDelta,
}

impl RuntimeNode {
    fn clock(&self, now: Now) -> DateTime<Utc> {
        let clock = DateTime::from_timestamp_millis(START + now.as_millis() as i64).expect("a time of this century");
        clock + self.skew
    }
}

impl Node for RuntimeNode {
    fn start(log: SimulatedLog, config: OwnerConfig, seed: u64) -> Self {
        static CODEC: OnceLock<Arc<Codec>> = OnceLock::new();
        let codec = CODEC.get_or_init(|| Arc::new(Codec::offline())).clone();
        let owner = Owner::new(config, PARTITION, Position::START, seed);
        let config =
            RuntimeConfig { queue: 64, queue_bytes: 8_192, record_limit: 4 << 20, source: "/simulation".to_owned() };
        let skew = TimeDelta::minutes((seed % 240) as i64 - 120);
        Self { runtime: Runtime::new(config, log, owner, codec, seed), skew }
    }

    fn assign(&mut self, now: Now, generation: i32) {
        self.runtime.assign(now, generation);
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
        // Now and then somebody uses the key of another command on the same post.
        let reused = self.orders.get(&rng.random_range(0..number.max(1))).filter(|_| rng.random_bool(0.03));
        let (post, command_id) = match reused {
            Some(order) => (order.submission.command.aggregate_id(), order.submission.command_id),
            None => (
                Uuid::from_u128(rng.random_range(1..=POSTS)),
                uuid::Builder::from_random_bytes(rng.random()).into_uuid(),
            ),
        };
        let command = Command::Post { id: PostId::new(post), command: command(rng, now) };
        // Who creates has seen no version.
        let expected_version = (!command.is_create() && rng.random_bool(0.3)).then(|| rng.random_range(1..8));
        let submission = Submission {
            command_id,
            command_hash: CommandHash::from_bytes(rng.random()),
            command,
            expected_version,
            actor: Actor::Person { id: PersonId::new(Uuid::from_u128(0xAD)), rights: Rights::ADMIN },
            correlation_id: command_id,
            traceparent: None,
        };
        self.orders.insert(number, Order { submission, answers: Vec::new() });
        number
    }
}

fn command(rng: &mut StdRng, now: Now) -> PostCommand {
    let at = DateTime::from_timestamp_millis(START + now.as_millis() as i64).expect("a time of this century");
    match rng.random_range(0..10) {
        0..3 => PostCommand::Create(PostContents {
            post_type: PostType::Article,
            title: "A title".to_owned(),
            content: "Text".to_owned(),
            excerpt: String::new(),
            tags: Vec::new(),
            category: String::new(),
            media: Vec::new(),
            author_id: None,
            published_at: None,
        }),
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
