//! When which aggregate wants the system to act: the first of all due times in memory, the rest in the store.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use event_log::state::{Due, StateError, StateStore};
use uuid::Uuid;

/// Due times that are taken from the store at a time. Twice as many are held at most.
const NEAR: usize = 512;

#[derive(Debug, Default)]
pub struct DueTimes {
    near: BTreeSet<Due>,
    /// Whatever is due up to here is in `near`, or was taken; what comes later is in the store. None stands for the end.
    known_to: Option<Due>,
    /// What changed since the last flush: whether it is due now.
    unflushed: BTreeMap<Due, bool>,
}

impl DueTimes {
    /// The first of those that are known.
    pub fn first(&self) -> Option<Due> {
        self.near.first().copied()
    }

    /// The system has been told to act on this; it is not due again until an event says so.
    pub fn take(&mut self, due: Due) {
        self.near.remove(&due);
    }

    /// Whether the store has to be asked what is due next.
    pub fn is_exhausted(&self) -> bool {
        self.near.is_empty() && self.known_to.is_some()
    }

    /// An event moved the time at which the aggregate is due.
    pub fn replace(&mut self, id: Uuid, was: Option<DateTime<Utc>>, is: Option<DateTime<Utc>>) {
        if let Some(was) = was.map(|at| (at.timestamp_millis(), id)) {
            self.near.remove(&was);
            self.unflushed.insert(was, false);
        }
        let Some(is) = is.map(|at| (at.timestamp_millis(), id)) else { return };
        self.unflushed.insert(is, true);
        if self.known_to.is_none_or(|known_to| is <= known_to) {
            self.near.insert(is);
        }
        if self.near.len() > 2 * NEAR {
            self.near.pop_last();
            self.known_to = self.near.last().copied();
        }
    }

    pub fn unflushed(&self) -> usize {
        self.unflushed.len()
    }

    /// What changed since the last flush.
    pub fn flush(&mut self) -> Vec<(Due, bool)> {
        std::mem::take(&mut self.unflushed).into_iter().collect()
    }

    /// Begins with the first there is, whatever was taken.
    pub fn begin(&mut self, store: &impl StateStore) -> Result<(), StateError> {
        self.near.clear();
        self.known_to = None;
        self.go_on(store)
    }

    /// Goes on after what is known.
    pub fn go_on(&mut self, store: &impl StateStore) -> Result<(), StateError> {
        let more = store.due(self.known_to, NEAR)?;
        self.known_to = more.last().copied().filter(|_| more.len() == NEAR);
        self.near.extend(more);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use event_log::position::Position;
    use event_log::state::{Checkpoint, MemoryState, StateBatch};
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(millis)
    }

    fn flush(due: &mut DueTimes, store: &mut MemoryState) {
        let checkpoint = Checkpoint { position: Position::START, log_time: 0, aggregates: 0 };
        let batch = StateBatch {
            checkpoint,
            aggregates: Vec::new(),
            commands: Vec::new(),
            forgotten_before: 0,
            due: due.flush(),
        };
        store.write(batch).unwrap();
    }

    /// Takes all of them, as the runtime does.
    fn drain(due: &mut DueTimes, store: &mut MemoryState) -> Vec<Due> {
        let mut taken = Vec::new();
        loop {
            while due.is_exhausted() {
                flush(due, store);
                due.go_on(store).unwrap();
            }
            let Some(first) = due.first() else { return taken };
            due.take(first);
            taken.push(first);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// However many there are and whenever they are flushed, each is found once and in order, and again when begun anew.
        #[test]
        fn each_due_time_is_found_once_and_in_order(
            moves in prop::collection::vec((0..3_000i64, 0..3_000u128, any::<bool>()), 0..4_000),
            flush_each in 1..500usize,
        ) {
            let (mut due, mut store) = (DueTimes::default(), MemoryState::default());
            let mut expected = BTreeMap::<Uuid, i64>::new();
            for (n, (time, id, scheduled)) in moves.into_iter().enumerate() {
                let id = Uuid::from_u128(id);
                let was = expected.get(&id).copied();
                let is = scheduled.then_some(time);
                if was != is {
                    due.replace(id, was.and_then(at), is.and_then(at));
                }
                match is {
                    Some(time) => expected.insert(id, time),
                    None => expected.remove(&id),
                };
                if n % flush_each == 0 {
                    flush(&mut due, &mut store);
                }
            }
            let expected: BTreeSet<Due> = expected.into_iter().map(|(id, time)| (time, id)).collect();
            let expected: Vec<Due> = expected.into_iter().collect();
            prop_assert_eq!(&drain(&mut due, &mut store), &expected);
            flush(&mut due, &mut store);
            due.begin(&store).unwrap();
            prop_assert_eq!(&drain(&mut due, &mut store), &expected);
        }
    }
}
