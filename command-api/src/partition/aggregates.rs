//! The released state of a partition's aggregates: what the log says, and nothing that is merely hoped for.
//!
//! It lives in a store. What changed since the last flush is held here until the next one, and beside it as much of what was
//! used last as the cache takes; so memory is bounded whatever the number of aggregates.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use event_log::position::Position;
use event_log::state::{Checkpoint, CommandKey, CommandToRemember, StateBatch, StateError, StateStore};
use event_schema::event::DomainEvent;
use event_schema::hash::CommandHash;
use event_schema::meta::EventMeta;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::due::DueTimes;
use super::stored;
use crate::domain::{self, AggregateState};

/// How long a command id is remembered, in milliseconds of log time.
pub const REMEMBERED_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// One aggregate as the log has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    pub state: AggregateState,
    /// The number of its events.
    pub version: u64,
    /// The event time of its last event.
    pub time: DateTime<Utc>,
    /// The offset of its last record.
    pub offset: u64,
    /// Log time of its last record, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Its first command is remembered for ever: a keyed create never expires.
    pub created_by: Remembered,
}

/// A command that counts, and the answer that it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    pub command_id: Uuid,
    #[serde(with = "stored::hash")]
    pub command_hash: CommandHash,
    pub version: u64,
    pub offset: u64,
    /// Log time of its last record, in milliseconds since the Unix epoch.
    pub timestamp: i64,
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

/// Events of one command as they stand in the log: all that matters but what they lead to.
#[derive(Debug)]
pub struct Known {
    pub id: Uuid,
    /// Of the aggregate after the last of them.
    pub version: u64,
    /// How many they are.
    pub events: u64,
    pub time: DateTime<Utc>,
    pub command_id: Uuid,
    pub command_hash: CommandHash,
    /// Of the last of them.
    pub offset: u64,
    /// Log time of the last of them, in milliseconds since the Unix epoch.
    pub timestamp: i64,
}

/// All aggregates of one partition.
#[derive(Debug)]
pub struct Aggregates<S> {
    store: S,
    /// As the store has them. Never an aggregate that is among the changed.
    cache: Cache<Uuid, Cached, Size>,
    /// Aggregates since the last flush, and commands.
    changed: HashMap<Uuid, Arc<Aggregate>>,
    commands: HashMap<CommandKey, Remembered>,
    due: DueTimes,
    count: u64,
    /// Log time of the last record, in milliseconds since the Unix epoch: the only clock by which ids expire.
    log_time: i64,
}

#[derive(Clone, Debug)]
struct Cached {
    aggregate: Arc<Aggregate>,
    /// Bytes that it takes in the store.
    size: u32,
}

#[derive(Clone, Debug)]
struct Size;

/// What an aggregate takes in memory beyond its encoded size: strings and the entries of tables, about.
const OVERHEAD: u64 = 400;

impl Weighter<Uuid, Cached> for Size {
    fn weight(&self, _id: &Uuid, cached: &Cached) -> u64 {
        u64::from(cached.size) + OVERHEAD
    }
}

impl<S: StateStore> Aggregates<S> {
    /// The aggregates as the store has them, with a cache of so many bytes.
    pub fn new(store: S, cache_bytes: u64) -> Self {
        let Checkpoint { log_time, aggregates, .. } = store.checkpoint();
        let items = usize::try_from(cache_bytes / (2 * OVERHEAD)).unwrap_or(usize::MAX);
        Self {
            store,
            cache: Cache::with_weighter(items, cache_bytes, Size),
            changed: HashMap::new(),
            commands: HashMap::new(),
            due: DueTimes::default(),
            count: aggregates,
            log_time,
        }
    }

    pub fn store(&self) -> &S {
        &self.store
    }

    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// The aggregate, if there is one. `expected` says that it is probably there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&mut self, id: Uuid, expected: bool) -> Result<Option<Arc<Aggregate>>, StateError> {
        if let Some(aggregate) = self.changed.get(&id) {
            return Ok(Some(aggregate.clone()));
        }
        if let Some(cached) = self.cache.get(&id) {
            return Ok(Some(cached.aggregate.clone()));
        }
        let Some(value) = self.store.aggregate(id, expected)? else { return Ok(None) };
        let aggregate = Arc::new(stored::read::<Aggregate>(&value)?);
        self.cache.insert(id, Cached { aggregate: aggregate.clone(), size: value.len() as u32 });
        Ok(Some(aggregate))
    }

    /// The command of the aggregate, if it was made and may not be forgotten yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn remembered(
        &self,
        id: Uuid,
        aggregate: &Aggregate,
        command_id: Uuid,
    ) -> Result<Option<Remembered>, StateError> {
        if aggregate.created_by.command_id == command_id {
            return Ok(Some(aggregate.created_by.clone()));
        }
        // Nothing but its creation happened to it, or nothing lately: so there is no other command to look for.
        if aggregate.created_by.version == aggregate.version || aggregate.timestamp < self.forgotten_before() {
            return Ok(None);
        }
        let key = (id, command_id);
        let remembered = match self.commands.get(&key) {
            Some(remembered) => Some(remembered.clone()),
            None => self.store.command(key)?.map(|value| stored::read::<Remembered>(&value)).transpose()?,
        };
        Ok(remembered.filter(|remembered| remembered.timestamp >= self.forgotten_before()))
    }

    /// How many aggregates there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Log time before which command ids are forgotten, in milliseconds since the Unix epoch.
    pub fn forgotten_before(&self) -> i64 {
        self.log_time - REMEMBERED_MILLIS
    }

    pub fn advance_log_time(&mut self, timestamp: i64) {
        self.log_time = self.log_time.max(timestamp);
    }

    pub fn due(&self) -> &DueTimes {
        &self.due
    }

    pub fn due_mut(&mut self) -> &mut DueTimes {
        &mut self.due
    }

    /// Looks anew for what the aggregates want the system to do, whatever was taken before. Flush first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find_due(&mut self) -> Result<(), StateError> {
        self.due.begin(&self.store)
    }

    /// Looks for what is due after that which was found before. Flush first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find_more_due(&mut self) -> Result<(), StateError> {
        self.due.go_on(&self.store)
    }

    /// # Errors
    /// When the store cannot be read, or holds what comes after this event.
    pub fn apply(&mut self, recorded: &Recorded<'_>) -> Result<(), StateError> {
        let Recorded { event, meta, offset, timestamp } = *recorded;
        let known = Known {
            id: meta.aggregate_id,
            version: meta.version,
            events: 1,
            time: meta.time,
            command_id: meta.command_id,
            command_hash: meta.command_hash,
            offset,
            timestamp,
        };
        self.apply_known(&known, |former| domain::evolve(former, event, meta.time))
    }

    /// Applies all events of one command, of which it is known what they lead to.
    ///
    /// # Errors
    /// As for [`Aggregates::apply`].
    pub fn apply_known(
        &mut self,
        known: &Known,
        state: impl FnOnce(Option<AggregateState>) -> AggregateState,
    ) -> Result<(), StateError> {
        let Known { id, version, events, time, command_id, command_hash, offset, timestamp } = *known;
        self.advance_log_time(timestamp);
        let former = self.get(id, version > events)?;
        if let Some(former) = former.as_ref().filter(|former| former.offset >= offset) {
            let last = former.offset;
            return Err(StateError::Damaged(format!("it has {id} as of offset {last}, and {offset} comes only now")));
        }
        self.changed.remove(&id);
        self.cache.remove(&id);
        let remembered = Remembered { command_id, command_hash, version, offset, timestamp };
        let former = former.map(Arc::unwrap_or_clone);
        let was_due = former.as_ref().and_then(|aggregate| domain::due(&aggregate.state));
        let (former, mut created_by) = match former {
            Some(former) => (Some(former.state), former.created_by),
            None => {
                self.count += 1;
                (None, remembered.clone())
            }
        };
        // The events of one command come one after the other: the last one's version and offset are its answer.
        if created_by.command_id == remembered.command_id {
            created_by = remembered;
        } else {
            self.commands.insert((id, remembered.command_id), remembered);
        }
        let state = state(former);
        let is_due = domain::due(&state);
        if was_due != is_due {
            self.due.replace(id, was_due, is_due);
        }
        self.changed.insert(id, Arc::new(Aggregate { state, version, time, offset, timestamp, created_by }));
        Ok(())
    }

    /// Entries that the next flush will write.
    pub fn unflushed(&self) -> usize {
        self.changed.len() + self.commands.len() + self.due.unflushed()
    }

    /// Stores what changed. `position` is where the reader stands whose commits have been applied, all of them.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn flush(&mut self, position: Position) -> Result<(), StateError> {
        let mut batch = StateBatch {
            checkpoint: Checkpoint { position, log_time: self.log_time, aggregates: self.count },
            aggregates: Vec::with_capacity(self.changed.len()),
            commands: Vec::with_capacity(self.commands.len()),
            forgotten_before: self.forgotten_before(),
            due: self.due.flush(),
        };
        for (key, remembered) in self.commands.drain() {
            let answer = stored::write(&remembered)?;
            batch.commands.push(CommandToRemember { key, at: remembered.timestamp, answer });
        }
        for (id, aggregate) in self.changed.drain() {
            let value = stored::write(&*aggregate)?;
            self.cache.insert(id, Cached { aggregate, size: value.len() as u32 });
            batch.aggregates.push((id, value));
        }
        self.store.write(batch)
    }
}

#[cfg(test)]
mod tests;
