//! The parked keys of one partition, as the runner knows them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::dead_letter::{DeadLetter, Parked, Standing};

/// How often the store is asked for orders while something is parked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Cheap while nothing is parked.
#[derive(Debug)]
pub struct ParkedKeys {
    keys: BTreeMap<String, Held>,
    looked: Instant,
}

/// From where on the records of a key are not projected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub first: u64,
    /// They were given up, and what follows is left out.
    pub dropped: bool,
}

impl ParkedKeys {
    /// What the store has now.
    pub fn new(parked: Vec<Parked>) -> Self {
        let held = |Parked { key, offset, standing, .. }| {
            (key, Held { first: offset, dropped: standing == Standing::Dropped })
        };
        Self { keys: parked.into_iter().map(held).collect(), looked: Instant::now() }
    }

    /// These were parked as well.
    pub fn add(&mut self, letters: &[DeadLetter]) {
        for letter in letters {
            self.keys.entry(letter.key()).or_insert(Held { first: letter.record.offset, dropped: false });
        }
    }

    /// When the store should be asked for orders, if at all.
    pub fn look_at(&self) -> Option<Instant> {
        (self.waiting() > 0).then(|| self.looked + LOOK_EVERY)
    }

    pub fn looked(&mut self) {
        self.looked = Instant::now();
    }

    pub fn keys(&self) -> &BTreeMap<String, Held> {
        &self.keys
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.keys.values().filter(|held| !held.dropped).count()
    }
}
