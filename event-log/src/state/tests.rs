//! The local store and the one in memory do the same; and what the local one adds: restarts, snapshots, foreign state.

mod killed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::record::{Epoch, Nonce};

const DAY: i64 = 24 * 60 * 60 * 1000;

fn provenance(schema: u8) -> Provenance {
    Provenance { log_id: 7, schema: StateSchema([schema; 32]) }
}

fn config(directory: &Path, provenance: Provenance) -> LocalConfig {
    let directory = directory.to_owned();
    LocalConfig { directory, partitions: 4, provenance, block_cache: 1 << 20, write_buffers: 1 << 20 }
}

fn open(directory: &Path) -> LocalStates {
    LocalStates::open(&config(directory, provenance(1))).unwrap()
}

async fn partition(states: &LocalStates, number: u32) -> LocalState {
    let (state, discarded) = states.partition(number).await.unwrap();
    assert_eq!(discarded, None);
    state
}

fn checkpoint(next_offset: u64, log_time: i64, aggregates: u64) -> Checkpoint {
    let epoch = Some(Epoch { offset: 0, nonce: Nonce(Uuid::from_u128(9)) });
    let last_record = Some(Uuid::from_u128(next_offset.into()));
    Checkpoint { position: Position { next_offset, epoch, next_seq: 3, last_record }, log_time, aggregates }
}

fn batch(next_offset: u64) -> StateBatch {
    StateBatch {
        checkpoint: checkpoint(next_offset, 0, next_offset),
        aggregates: Vec::new(),
        commands: Vec::new(),
        forgotten_before: i64::MIN,
        due: Vec::new(),
    }
}

fn command(aggregate: u128, command: u128, at: i64) -> CommandToRemember {
    let key = (Uuid::from_u128(aggregate), Uuid::from_u128(command));
    CommandToRemember { key, at, answer: at.to_string().into_bytes() }
}

/// An aggregate for each offset up to the last.
fn filled(first: u64, last: u64) -> StateBatch {
    let aggregates = (first..last).map(|n| (Uuid::from_u128(n.into()), format!("aggregate {n}").into_bytes()));
    StateBatch { aggregates: aggregates.collect(), ..batch(last) }
}

#[tokio::test]
async fn what_was_written_is_there_after_the_process_starts_again() {
    let directory = TempDir::new().unwrap();
    let mut all = filled(0, 10);
    all.commands = vec![command(1, 2, 50)];
    all.due = vec![((-5, Uuid::from_u128(1)), true), ((7, Uuid::from_u128(2)), true)];
    {
        let states = open(directory.path());
        let mut state = partition(&states, 3).await;
        assert_eq!(state.checkpoint(), Checkpoint::START);
        state.write(all.clone()).unwrap();
        let mut due = batch(11);
        due.due = vec![((7, Uuid::from_u128(2)), false)];
        state.write(due).unwrap();
    }
    let states = open(directory.path());
    let state = partition(&states, 3).await;
    assert_eq!(state.checkpoint(), batch(11).checkpoint);
    for (id, value) in all.aggregates {
        assert_eq!(state.aggregate(id, true).unwrap(), Some(value));
    }
    assert_eq!(state.aggregate(Uuid::from_u128(10), false).unwrap(), None);
    assert_eq!(state.command(command(1, 2, 0).key).unwrap(), Some(b"50".to_vec()));
    assert_eq!(state.command(command(2, 2, 0).key).unwrap(), None);
    assert_eq!(state.due(None, 10).unwrap(), [(-5, Uuid::from_u128(1))]);
    assert_eq!(partition(&states, 2).await.checkpoint(), Checkpoint::START, "partitions are apart");
}

/// The store's own requests to seal a memory table, one with every small write while it is full, stop its workers for ever where these are
/// busy; then the tables grow without end.
#[test]
fn what_is_not_written_out_stays_bounded_however_many_small_writes_there_are() {
    const PARTITIONS: u32 = 4;
    const BATCHES: u64 = 1_500;
    const IN_A_BATCH: u64 = 10;
    const CONTENT: usize = 1_000;
    let directory = TempDir::new().unwrap();
    let states = open(directory.path());
    let write = &|number| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut state = runtime.block_on(partition(&states, number));
        let mut most = 0;
        for round in 0..BATCHES {
            let id = |place| {
                Uuid::from_u128(u128::from(round * IN_A_BATCH + place).wrapping_mul(0x9E37_79B9_7F4A_7C15 << 61))
            };
            let aggregates = (0..IN_A_BATCH).map(|place| (id(place), vec![number as u8; CONTENT])).collect();
            state.write(StateBatch { aggregates, ..batch(round + 1) }).unwrap();
            most = most.max(states.unwritten());
        }
        most
    };
    let most = std::thread::scope(|threads| {
        let running: Vec<_> = (0..PARTITIONS).map(|number| threads.spawn(move || write(number))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    });
    // Of each partition a table that fills and four that are full, each a batch larger than it may be; then writers wait.
    let bound = u64::from(PARTITIONS) * 5 * ((256 << 10) + 2 * IN_A_BATCH * CONTENT as u64);
    assert!(most < bound, "{most} bytes were not written out, and {bound} may be");
}

#[tokio::test]
async fn a_directory_is_of_one_process_at_a_time() {
    let directory = TempDir::new().unwrap();
    let first = open(directory.path());
    let second = LocalStates::open(&config(directory.path(), provenance(1)));
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    drop(first);
    open(directory.path());
}

#[tokio::test]
async fn a_partition_is_open_once_at_a_time() {
    let directory = TempDir::new().unwrap();
    let states = open(directory.path());
    let mut first = partition(&states, 0).await;
    let waiting = tokio::spawn({
        let states = states.clone();
        async move { partition(&states, 0).await.checkpoint() }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    first.write(batch(5)).unwrap();
    drop(first);
    assert_eq!(waiting.await.unwrap(), batch(5).checkpoint, "the second sees all that the first wrote");
}

#[tokio::test]
async fn state_of_another_log_or_schema_or_without_a_checkpoint_is_discarded_with_the_reason() {
    let directory = TempDir::new().unwrap();
    let write = async |provenance| {
        let states = LocalStates::open(&config(directory.path(), provenance)).unwrap();
        let (mut state, discarded) = states.partition(0).await.unwrap();
        state.write(filled(0, 3)).unwrap();
        discarded
    };
    assert_eq!(write(provenance(1)).await, None);
    assert_eq!(write(provenance(2)).await, Some(Discarded::Schema));
    let other = Provenance { log_id: 8, ..provenance(2) };
    assert_eq!(write(other).await, Some(Discarded::Log { found: 7 }));
    {
        let states = LocalStates::open(&config(directory.path(), other)).unwrap();
        let (mut state, _) = states.partition(0).await.unwrap();
        state.discard().unwrap();
        assert_eq!(state.checkpoint(), Checkpoint::START);
        assert_eq!(state.aggregate(Uuid::from_u128(1), true).unwrap(), None);
        state.restore(vec![(b"a".to_vec(), b"left over".to_vec())]).unwrap();
    }
    let states = LocalStates::open(&config(directory.path(), other)).unwrap();
    let (state, discarded) = states.partition(0).await.unwrap();
    assert!(matches!(discarded, Some(Discarded::Damaged(_))), "{discarded:?}");
    assert_eq!(state.checkpoint(), Checkpoint::START);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_made_anew() {
    let directory = TempDir::new().unwrap();
    {
        let states = open(directory.path());
        partition(&states, 0).await.write(filled(0, 100)).unwrap();
    }
    let journals = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let journal = journals.into_iter().find(|path| path.extension().is_some_and(|end| end == "jnl")).unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    // Within the first batch, whose checksum is then wrong.
    bytes[60] ^= 0xff;
    std::fs::write(&journal, bytes).unwrap();
    let states = open(directory.path());
    let (mut state, _) = states.partition(0).await.unwrap();
    assert_eq!(state.checkpoint(), Checkpoint::START, "nothing of it, rather than some of it");
    state.write(filled(0, 3)).unwrap();
}

#[tokio::test]
async fn a_command_is_forgotten_by_log_time_and_never_before() {
    let directory = TempDir::new().unwrap();
    let states = open(directory.path());
    let mut state = partition(&states, 0).await;
    let mut write = |offset, commands: Vec<CommandToRemember>, log_time: i64| {
        let forgotten_before = log_time - DAY;
        state.write(StateBatch { commands, forgotten_before, ..batch(offset) }).unwrap();
        // What the store may have forgotten and what it must know.
        [1, 2, 3].map(|n| state.command(command(1, n, 0).key).unwrap().is_some())
    };
    // The first two are stored together, and so expire together.
    assert_eq!(write(1, vec![command(1, 1, 10), command(1, 2, 20)], 20), [true, true, false]);
    assert_eq!(write(2, vec![command(1, 3, 30)], 30), [true, true, true]);
    assert_eq!(write(3, vec![], DAY + 20), [true, true, true], "the second is remembered until then");
    assert_eq!(write(4, vec![], DAY + 21), [false, false, true]);
    assert_eq!(write(5, vec![command(1, 3, DAY + 25)], DAY + 25), [false, false, true]);
    assert_eq!(write(6, vec![], 2 * DAY), [false, false, true], "made again, it is remembered anew");
    assert_eq!(write(7, vec![], 2 * DAY + 26), [false, false, false]);
}

/// What may happen to a store.
#[derive(Clone, Debug)]
enum Act {
    Write(Vec<(u8, u8)>, Vec<(u8, u8)>, Vec<(u8, u8, bool)>),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let pairs = || prop::collection::vec(any::<(u8, u8)>(), 0..20);
    let due = prop::collection::vec(any::<(u8, u8, bool)>(), 0..20);
    prop_oneof![
        9 => (pairs(), pairs(), due).prop_map(|(aggregates, commands, due)| Act::Write(aggregates, commands, due)),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Whatever is written and however often it is reopened, the local store answers as the one in memory does; and writing
    /// the last batch twice changes nothing.
    #[test]
    fn the_local_store_is_the_one_in_memory(acts in prop::collection::vec(act(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = TempDir::new().unwrap();
        let mut memory = MemoryState::default();
        let mut states = open(directory.path());
        let mut local = runtime.block_on(partition(&states, 1));
        for (offset, act) in (1..).zip(acts) {
            match act {
                Act::Restart => {
                    drop((local, states));
                    states = open(directory.path());
                    local = runtime.block_on(partition(&states, 1));
                }
                Act::Write(aggregates, commands, due) => {
                    let id = |n: u8| Uuid::from_u128(n.into());
                    let aggregates: BTreeMap<Uuid, Vec<u8>> =
                        aggregates.into_iter().map(|(n, value)| (id(n), vec![value; usize::from(value)])).collect();
                    let commands: BTreeSet<(u8, u8)> = commands.into_iter().collect();
                    let due: BTreeMap<Due, bool> =
                        due.into_iter().map(|(at, n, is_due)| ((i64::from(at) - 100, id(n)), is_due)).collect();
                    let written = StateBatch {
                        aggregates: aggregates.into_iter().collect(),
                        commands: commands.iter().map(|(a, c)| command((*a).into(), (*c).into(), 1)).collect(),
                        due: due.into_iter().collect(),
                        ..batch(offset)
                    };
                    memory.write(written.clone()).unwrap();
                    local.write(written.clone()).unwrap();
                    local.write(written).unwrap();
                }
            }
            prop_assert_eq!(local.checkpoint(), memory.checkpoint());
            for n in 0..=u8::MAX {
                let id = Uuid::from_u128(n.into());
                prop_assert_eq!(local.aggregate(id, true).unwrap(), memory.aggregate(id, true).unwrap());
                let key = (id, Uuid::from_u128((n / 2).into()));
                prop_assert_eq!(local.command(key).unwrap(), memory.command(key).unwrap());
            }
            let first = memory.due(None, 7).unwrap();
            prop_assert_eq!(&local.due(None, 7).unwrap(), &first);
            let last = first.last().copied();
            prop_assert_eq!(local.due(last, 300).unwrap(), memory.due(last, 300).unwrap());
        }
    }
}

mod snapshots {
    use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
    use std::sync::Arc;

    use futures::TryStreamExt;

    use super::*;

    async fn files(objects: &dyn ObjectStore) -> Vec<object_store::path::Path> {
        let mut files: Vec<_> = objects.list(None).map_ok(|object| object.location).try_collect().await.unwrap();
        files.sort();
        files
    }

    async fn assert_filled(state: &LocalState, count: u64) {
        assert_eq!(state.checkpoint(), batch(count).checkpoint);
        for n in 0..count {
            let value = state.aggregate(Uuid::from_u128(n.into()), true).unwrap();
            assert_eq!(value, Some(format!("aggregate {n}").into_bytes()));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn another_machine_goes_on_from_the_newest_that_is_whole() {
        let (directory, elsewhere, bucket) =
            (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
        let objects = connect_objects(bucket.path().to_str().unwrap()).unwrap();
        let snapshots = Snapshots::new(objects.clone());
        let states = open(directory.path());
        let mut state = partition(&states, 2).await;
        for step in 0..5 {
            state.write(filled(step * 5_000, (step + 1) * 5_000)).unwrap();
            let storing = snapshots.store(&state, 5_000);
            // It is of the moment at which it was asked for.
            state.write(batch((step + 1) * 5_000 + 1)).unwrap();
            assert_eq!(storing.await.unwrap(), Some(batch((step + 1) * 5_000).checkpoint));
            assert_eq!(snapshots.store(&state, 5_000).await.unwrap(), None, "there is one that is new enough");
        }
        let kept = files(objects.as_ref()).await;
        assert_eq!(kept.len(), 3, "{kept:?}");

        let restore = async |schema: u8, place: &str| {
            let directory = elsewhere.path().join(place);
            let states = LocalStates::open(&config(&directory, provenance(schema))).unwrap();
            let (state, _) = states.partition(2).await.unwrap();
            snapshots.restore(state).await.unwrap()
        };
        let (state, unusable) = restore(1, "whole").await;
        assert_eq!(unusable, []);
        assert_filled(&state, 25_000).await;
        drop(state);
        let (state, _) = open(&elsewhere.path().join("whole")).partition(2).await.unwrap();
        assert_filled(&state, 25_000).await;

        // One is cut short, in another a byte is wrong: the third is used.
        let bytes = |path| async move { objects_get(path).await };
        async fn objects_get((objects, path): (Arc<dyn ObjectStore>, object_store::path::Path)) -> Vec<u8> {
            objects.get(&path).await.unwrap().bytes().await.unwrap().to_vec()
        }
        let newest = bytes((objects.clone(), kept[2].clone())).await;
        objects.put(&kept[2], PutPayload::from(newest[..newest.len() - 100].to_vec())).await.unwrap();
        let mut second = bytes((objects.clone(), kept[1].clone())).await;
        let middle = second.len() / 2;
        second[middle] ^= 1;
        objects.put(&kept[1], PutPayload::from(second)).await.unwrap();
        let (state, unusable) = restore(1, "damaged").await;
        assert_eq!(unusable.len(), 2);
        assert!(unusable.iter().all(|(_, why)| matches!(why, Discarded::Damaged(_))), "{unusable:?}");
        assert_filled(&state, 15_000).await;

        let (state, unusable) = restore(2, "another schema").await;
        assert!(unusable.iter().all(|(_, why)| *why == Discarded::Schema), "{unusable:?}");
        assert_eq!(unusable.len(), 3);
        assert_eq!(state.checkpoint(), Checkpoint::START);
        assert_eq!(state.aggregate(Uuid::from_u128(1), true).unwrap(), None, "nothing of them is left");

        assert_eq!(snapshots.discard(&state).await.unwrap(), 3);
        assert_eq!(files(objects.as_ref()).await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_snapshot_of_another_partition_under_this_name_is_not_used() {
        let (directory, bucket) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let objects = connect_objects(bucket.path().to_str().unwrap()).unwrap();
        let snapshots = Snapshots::new(objects.clone());
        let states = open(directory.path());
        let mut state = partition(&states, 2).await;
        state.write(filled(0, 10)).unwrap();
        snapshots.store(&state, 1).await.unwrap();
        let [name] = files(objects.as_ref()).await.try_into().unwrap();
        objects.copy(&name, &name.to_string().replace("/2/", "/1/").into()).await.unwrap();
        let (state, unusable) = snapshots.restore(partition(&states, 1).await).await.unwrap();
        assert_eq!(unusable.len(), 1);
        assert_eq!(state.checkpoint(), Checkpoint::START);
    }
}
