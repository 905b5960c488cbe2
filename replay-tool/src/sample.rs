//! Keys chosen at random, so that a comparison takes the time and the memory of a few.
//!
//! A key's place in the draw is the hash of a seed and its id, and the keys with the smallest hashes are the sample: each set of so many
//! keys is as likely as any other, the order of the log and when a key was written have no say, and no more is held than is wanted. The same seed
//! draws the same keys from the same log; a key that was written since may take the place of one of them.

use std::collections::BTreeSet;

use event_log::kafka::partition_for;
use event_log::record::LogRecord;
use event_schema::event::AggregateKind;
use event_schema::meta::EventMeta;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::ProjectionName;
use crate::log::Log;

/// The keys that were drawn.
#[derive(Debug)]
pub struct Sample {
    pub drawn: Drawn,
    keys: BTreeSet<Uuid>,
}

/// What is told of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drawn {
    pub keys: usize,
    /// So many there were to draw from.
    pub of: u64,
    pub seed: u32,
}

impl Sample {
    /// Draws from all keys that the log has now and the projection holds something of.
    pub async fn draw(log: &Log, projection: ProjectionName, wanted: u32, seed: u32) -> anyhow::Result<Self> {
        let mut draw = Draw::new(wanted as usize, seed);
        log.scan(0..log.partitions(), async |_, commit| {
            for key in commit.records.iter().filter_map(|record| begun(projection, record)) {
                draw.add(key);
            }
            Ok(())
        })
        .await?;
        let Draw { smallest, met, .. } = draw;
        let keys: BTreeSet<_> = smallest.into_iter().map(|(_, key)| key).collect();
        Ok(Self { drawn: Drawn { keys: keys.len(), of: met, seed }, keys })
    }

    /// Those that stand in one of so many partitions.
    pub fn of_partition(&self, partition: u32, partitions: u32) -> BTreeSet<Uuid> {
        let is_there = |key: &&Uuid| partition_for(key.to_string().as_bytes(), partitions) == partition;
        self.keys.iter().filter(is_there).copied().collect()
    }

    pub fn keys(&self) -> &BTreeSet<Uuid> {
        &self.keys
    }

    /// Whether this is the key of a record that is compared.
    pub fn has(&self, key: &str) -> bool {
        key.parse().is_ok_and(|key| self.keys.contains(&key))
    }
}

/// The key that begins with this record, if the projection holds something of it: a post with all that is under it, a person or, since
/// analytics has a row of each event, a chosen slug. Each begins once, with version 1, so that nothing has to be remembered to count them.
/// One whose first record cannot be read is never drawn.
fn begun(projection: ProjectionName, record: &LogRecord) -> Option<Uuid> {
    let (meta, _) = EventMeta::from_headers(|name| record.headers.get(name)).ok()?;
    let holds = match AggregateKind::of_event_type(&meta.event_type)? {
        AggregateKind::Post => true,
        AggregateKind::Person => projection != ProjectionName::Search,
        AggregateKind::Slug => projection == ProjectionName::Analytics,
        AggregateKind::Comment | AggregateKind::Like => false,
    };
    (holds && meta.version == 1).then_some(meta.aggregate_id)
}

struct Draw {
    wanted: usize,
    seed: u32,
    smallest: BTreeSet<([u8; 32], Uuid)>,
    met: u64,
}

impl Draw {
    fn new(wanted: usize, seed: u32) -> Self {
        Self { wanted, seed, smallest: BTreeSet::new(), met: 0 }
    }

    fn add(&mut self, key: Uuid) {
        self.met += 1;
        let place = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(key).finalize();
        self.smallest.insert((place.into(), key));
        if self.smallest.len() > self.wanted {
            self.smallest.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn drawn(keys: impl IntoIterator<Item = u128>, wanted: usize, seed: u32) -> Vec<u128> {
        let mut draw = Draw::new(wanted, seed);
        for key in keys {
            draw.add(Uuid::from_u128(key));
            assert!(draw.smallest.len() <= wanted, "no more is held than is wanted");
        }
        draw.smallest.into_iter().map(|(_, key)| key.as_u128()).collect()
    }

    #[test]
    fn every_key_is_drawn_as_often_as_any_other() {
        let mut times = BTreeMap::<u128, u32>::new();
        for seed in 0..3_000 {
            let keys = drawn(0..30, 5, seed);
            assert_eq!(keys.len(), 5);
            for key in keys {
                *times.entry(key).or_default() += 1;
            }
        }
        // 500 times each; four standard deviations are 82.
        assert!(times.len() == 30 && times.values().all(|times| (418..=582).contains(times)), "{times:?}");
    }

    #[test]
    fn a_seed_draws_the_same_keys_in_whatever_order_they_are_met() {
        let keys = drawn(0..100, 7, 3);
        assert_eq!(keys, drawn((0..100).rev(), 7, 3));
        assert_ne!(keys, drawn(0..100, 7, 4));
    }

    #[test]
    fn of_fewer_keys_than_are_wanted_all_are_drawn() {
        assert_eq!(drawn(0..3, 10, 1).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    }
}
