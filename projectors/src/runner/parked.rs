//! The parked keys of one partition, as the runner knows them, and what operators want of them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::dead_letter::{Parked, Standing};

/// How often the store is asked for orders while something is parked.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Cheap while nothing is parked.
#[derive(Debug)]
pub struct ParkedKeys {
    keys: Vec<Parked>,
    looked: Instant,
}

impl ParkedKeys {
    /// What the store has now.
    pub fn new(keys: Vec<Parked>) -> Self {
        Self { keys, looked: Instant::now() }
    }

    /// When the store should be asked again, if at all.
    pub fn look_at(&self) -> Option<Instant> {
        let waits = self.keys.iter().any(|parked| parked.standing != Standing::Dropped);
        // Of several orders one is done at a time, without a pause between them.
        let pause = if self.order().is_some() { Duration::ZERO } else { LOOK_EVERY };
        waits.then(|| self.looked + pause)
    }

    /// Each key with the offset of its first record, or None where its records were given up.
    pub fn first_offsets(&self) -> BTreeMap<String, Option<u64>> {
        let first = |parked: &Parked| (parked.standing != Standing::Dropped).then_some(parked.offset);
        self.keys.iter().map(|parked| (parked.key.clone(), first(parked))).collect()
    }

    /// The first key that an operator wants something of.
    pub fn order(&self) -> Option<&Parked> {
        self.keys.iter().find(|parked| matches!(parked.standing, Standing::Retry | Standing::Drop))
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.keys.iter().filter(|parked| parked.standing != Standing::Dropped).count()
    }
}
