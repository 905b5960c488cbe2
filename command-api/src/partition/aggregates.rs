//! The released state of a partition's aggregates: what the log says, and nothing that is merely hoped for.

use std::collections::{BTreeSet, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use event_schema::event::DomainEvent;
use event_schema::hash::CommandHash;
use event_schema::meta::EventMeta;
use uuid::Uuid;

use crate::domain::{self, AggregateState};

/// How long a command id is remembered, in milliseconds of log time.
pub const REMEMBERED_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// One aggregate as the log has it.
#[derive(Clone, Debug)]
pub struct Aggregate {
    pub state: AggregateState,
    /// The number of its events.
    pub version: u64,
    /// The event time of its last event.
    pub time: DateTime<Utc>,
    /// The offset of its last record.
    pub offset: u64,
    /// Its first command is remembered for ever: a keyed create never expires.
    created_by: Remembered,
    /// The others, oldest first, for [`REMEMBERED_MILLIS`].
    recent: VecDeque<Remembered>,
}

/// A command that counts, and the answer that it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub command_id: Uuid,
    pub command_hash: CommandHash,
    pub version: u64,
    pub offset: u64,
    /// Log time of its last record, in milliseconds since the Unix epoch.
    timestamp: i64,
}

impl Aggregate {
    pub fn remembered(&self, command_id: Uuid) -> Option<&Remembered> {
        // Retries come soon after: the latest first.
        self.recent
            .iter()
            .rev()
            .chain(std::iter::once(&self.created_by))
            .find(|remembered| remembered.command_id == command_id)
    }
}

/// An event as it was released, with its place in the log.
#[derive(Debug)]
pub struct Recorded<'a> {
    pub event: &'a DomainEvent,
    pub meta: &'a EventMeta,
    pub offset: u64,
    /// Log time in milliseconds since the Unix epoch.
    pub timestamp: i64,
}

/// All aggregates of one partition.
#[derive(Debug, Default)]
pub struct Aggregates {
    by_id: HashMap<Uuid, Aggregate>,
    /// When which aggregate wants the system to act.
    due: BTreeSet<(DateTime<Utc>, Uuid)>,
    /// Log time of the last record, in milliseconds since the Unix epoch: the only clock by which ids expire.
    log_time: i64,
}

impl Aggregates {
    pub fn get(&self, id: Uuid) -> Option<&Aggregate> {
        self.by_id.get(&id)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Log time before which command ids may have been forgotten, in milliseconds since the Unix epoch.
    pub fn forgotten_before(&self) -> i64 {
        self.log_time - REMEMBERED_MILLIS
    }

    pub fn advance_log_time(&mut self, timestamp: i64) {
        self.log_time = self.log_time.max(timestamp);
    }

    /// The aggregate that wants the system to act first, and when.
    pub fn next_due(&self) -> Option<(DateTime<Utc>, Uuid)> {
        self.due.first().copied()
    }

    /// Looks through all aggregates for what they want the system to do, whatever was taken before.
    pub fn find_due(&mut self) {
        let due = self.by_id.iter().filter_map(|(id, aggregate)| Some((domain::due(&aggregate.state)?, *id)));
        self.due = due.collect();
    }

    /// The system has been told to act on this; it is not due again until an event says so.
    pub fn take_due(&mut self, due: (DateTime<Utc>, Uuid)) {
        self.due.remove(&due);
    }

    pub fn apply(&mut self, recorded: &Recorded<'_>) {
        let Recorded { event, meta, offset, timestamp } = *recorded;
        let id = meta.aggregate_id;
        self.advance_log_time(timestamp);
        let forgotten_before = self.forgotten_before();
        let former = self.by_id.remove(&id);
        if let Some(at) = former.as_ref().and_then(|aggregate| domain::due(&aggregate.state)) {
            self.due.remove(&(at, id));
        }
        let remembered = Remembered {
            command_id: meta.command_id,
            command_hash: meta.command_hash,
            version: meta.version,
            offset,
            timestamp,
        };
        let (state, created_by, mut recent) = match former {
            Some(former) => (Some(former.state), former.created_by, former.recent),
            None => (None, remembered.clone(), VecDeque::new()),
        };
        let created_by = remember(created_by, &mut recent, remembered);
        while recent.front().is_some_and(|oldest| oldest.timestamp < forgotten_before) {
            recent.pop_front();
        }
        let state = domain::evolve(state, event, meta.time);
        if let Some(at) = domain::due(&state) {
            self.due.insert((at, id));
        }
        self.by_id.insert(id, Aggregate { state, version: meta.version, time: meta.time, offset, created_by, recent });
    }
}

/// The events of one command come one after the other: the last one's version and offset are its answer.
fn remember(created_by: Remembered, recent: &mut VecDeque<Remembered>, now: Remembered) -> Remembered {
    if created_by.command_id == now.command_id {
        return now;
    }
    if recent.back().is_some_and(|last| last.command_id == now.command_id) {
        recent.pop_back();
    }
    recent.push_back(now);
    created_by
}
