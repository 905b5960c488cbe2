//! How the partitions of this process are doing: what `/ready` and the lag metrics are made of.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use read_model::Projection;
use serde::Serialize;
use tokio::time::Instant;

use crate::runner::meters;

/// The states of the partitions of one projection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Status {
    projection: Projection,
    partitions: Arc<Mutex<BTreeMap<u32, Entry>>>,
    /// A partition was found to have less in the store than was written.
    lost: Arc<AtomicBool>,
}

/// What a partition is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Asking the store where it is.
    Loading,
    Running,
    /// Something outside is away; it is tried again and again.
    Waiting(String),
    /// Nothing more is projected until an operator has mended the cause.
    Halted(String),
}

/// How a partition is doing, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionReport {
    pub partition: u32,
    /// loading, running, waiting or halted.
    pub state: &'static str,
    /// Why it waits or is halted.
    pub reason: Option<String>,
    /// Everything below is in the store.
    pub next_offset: u64,
    /// None until the end of the partition is known.
    pub lag_records: Option<u64>,
    pub lag_seconds: f64,
}

#[derive(Clone, Debug)]
struct Entry {
    state: State,
    /// Everything below is in the store.
    next_offset: u64,
    /// When the oldest record that was read and not written was appended, in milliseconds since 1970.
    oldest_unwritten: Option<i64>,
    /// Since when the store has been seen to be behind.
    behind_since: Option<Instant>,
    /// None until it was measured.
    lag_records: Option<u64>,
    lag_seconds: f64,
}

impl Status {
    pub fn new(projection: Projection) -> Self {
        Self { projection, partitions: Arc::default(), lost: Arc::default() }
    }

    /// The states by partition.
    pub fn states(&self) -> BTreeMap<u32, State> {
        self.lock().iter().map(|(partition, entry)| (*partition, entry.state.clone())).collect()
    }

    /// The partitions in order.
    pub fn report(&self) -> Vec<PartitionReport> {
        let report = |(partition, entry): (&u32, &Entry)| PartitionReport {
            partition: *partition,
            state: entry.state.name(),
            reason: match &entry.state {
                State::Waiting(why) | State::Halted(why) => Some(why.clone()),
                State::Loading | State::Running => None,
            },
            next_offset: entry.next_offset,
            lag_records: entry.lag_records,
            lag_seconds: entry.lag_seconds,
        };
        self.lock().iter().map(report).collect()
    }

    /// Whether every partition is in step: none waits or is halted, and none is further behind than `lag_limit`.
    ///
    /// # Errors
    /// A sentence that names the partitions which are not, and why.
    pub fn readiness(&self, lag_limit: Duration) -> Result<(), String> {
        let troubles: Vec<String> =
            self.lock().iter().filter_map(|(partition, entry)| trouble(*partition, entry, lag_limit)).collect();
        if troubles.is_empty() { Ok(()) } else { Err(troubles.join("; ")) }
    }

    pub(crate) fn set(&self, partition: u32, state: State) {
        self.change(partition, |entry| entry.state = state);
    }

    /// Records were read, the first of which was appended at `timestamp`.
    pub(crate) fn read(&self, partition: u32, timestamp: Option<i64>) {
        self.change(partition, |entry| entry.oldest_unwritten = timestamp);
    }

    /// Everything below `next_offset` is in the store.
    pub(crate) fn written(&self, partition: u32, next_offset: u64) {
        self.change(partition, |entry| {
            entry.state = State::Running;
            entry.next_offset = next_offset;
            entry.oldest_unwritten = None;
        });
    }

    pub(crate) fn store_is_lost(&self) {
        self.lost.store(true, Ordering::Release);
    }

    pub(crate) fn is_store_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// One partition in turn, and the offset before which all of it was written.
    pub(crate) fn one_in_turn(&self, turn: usize) -> Option<(u32, u64)> {
        let partitions = self.lock();
        let turn = turn.checked_rem(partitions.len())?;
        partitions.iter().nth(turn).map(|(partition, entry)| (*partition, entry.next_offset))
    }

    /// The partition is no longer this process's.
    pub(crate) fn forget(&self, partition: u32) {
        let mut partitions = self.lock();
        partitions.remove(&partition);
        self.count(&partitions);
        meters::lag(self.projection, partition, 0, 0.0);
        meters::parked(self.projection, partition, 0);
    }

    /// Compares with the ends of the partitions, and publishes the lag of each.
    pub(crate) fn measure(&self, end_of: impl Fn(u32) -> Option<u64>, now_ms: i64) {
        for (partition, entry) in self.lock().iter_mut() {
            entry.lag_records = end_of(*partition).map(|end| end.saturating_sub(entry.next_offset));
            let records = entry.lag_records.unwrap_or(0);
            if records == 0 {
                entry.behind_since = None;
                entry.lag_seconds = 0.0;
            } else {
                let since = entry.behind_since.get_or_insert_with(Instant::now);
                entry.lag_seconds = match entry.oldest_unwritten {
                    Some(timestamp) => now_ms.saturating_sub(timestamp).max(0) as f64 / 1000.0,
                    None => since.elapsed().as_secs_f64(),
                };
            }
            meters::lag(self.projection, *partition, records, entry.lag_seconds);
        }
    }

    fn change(&self, partition: u32, change: impl FnOnce(&mut Entry)) {
        let mut partitions = self.lock();
        let entry = partitions.entry(partition).or_insert_with(|| Entry {
            state: State::Loading,
            next_offset: 0,
            oldest_unwritten: None,
            behind_since: None,
            lag_records: None,
            lag_seconds: 0.0,
        });
        change(entry);
        self.count(&partitions);
    }

    fn count(&self, partitions: &BTreeMap<u32, Entry>) {
        for name in ["loading", "running", "waiting", "halted"] {
            let count = partitions.values().filter(|entry| entry.state.name() == name).count();
            meters::partitions(self.projection, name, count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Entry>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            State::Loading => "loading",
            State::Running => "running",
            State::Waiting(_) => "waiting",
            State::Halted(_) => "halted",
        }
    }
}

fn trouble(partition: u32, entry: &Entry, lag_limit: Duration) -> Option<String> {
    match &entry.state {
        State::Halted(why) => Some(format!("partition {partition} is halted: {why}")),
        State::Waiting(why) => Some(format!("partition {partition} waits: {why}")),
        State::Loading => Some(format!("partition {partition} has not begun yet")),
        State::Running if entry.lag_seconds > lag_limit.as_secs_f64() => {
            Some(format!("partition {partition} is {:.0} s behind", entry.lag_seconds))
        }
        State::Running => None,
    }
}

#[cfg(test)]
mod tests {
    use read_model::DOCUMENTS;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn readiness_names_what_is_halted_waiting_or_behind() {
        let status = Status::new(DOCUMENTS);
        assert_eq!(status.readiness(LIMIT), Ok(()));
        status.written(1, 10);
        assert_eq!(status.readiness(LIMIT), Ok(()));
        status.set(2, State::Halted("poison".into()));
        status.set(3, State::Waiting("MongoDB is away".into()));
        assert_eq!(
            status.readiness(LIMIT),
            Err("partition 2 is halted: poison; partition 3 waits: MongoDB is away".into())
        );
        status.forget(2);
        status.written(3, 1);
        assert_eq!(status.readiness(LIMIT), Ok(()));
    }

    #[test]
    fn lag_is_the_age_of_the_oldest_record_that_is_not_written() {
        let status = Status::new(DOCUMENTS);
        status.written(1, 10);
        status.read(1, Some(1_000));
        status.measure(|_| Some(12), 41_000);
        assert_eq!(status.readiness(LIMIT), Err("partition 1 is 40 s behind".into()));
        status.written(1, 12);
        status.measure(|_| Some(12), 41_000);
        assert_eq!(status.readiness(LIMIT), Ok(()));
    }
}
