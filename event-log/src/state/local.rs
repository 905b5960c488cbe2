//! The local store: one embedded database for the process, with a keyspace for each partition.
//!
//! Everything of a partition is in one keyspace and every flush is one batch of the database's journal, so what is found
//! after a crash is what some flush left, whole: a journal batch carries a checksum and is read back whole or not at all,
//! and a memory table is sealed only between batches. Nothing is synced to disk at a flush: after a loss of power an older
//! flush may be found, or a store that does not open and is discarded.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{AbstractTree as _, Database, Keyspace, KeyspaceCreateOptions, Readable};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::block_in_place;
use uuid::Uuid;

use super::{
    Checkpoint, CommandKey, CommandToRemember, Due, Provenance, StateBatch, StateError, StateStore, layout, meters,
};

#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// A directory of this process alone.
    pub directory: PathBuf,
    pub partitions: u32,
    pub provenance: Provenance,
    /// Bytes of blocks that are kept in memory, for all partitions together.
    pub block_cache: u64,
    /// Bytes of writes that are kept in memory, for all partitions together.
    pub write_buffers: u64,
}

/// The local store cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use by another process; give each process a directory of its own", .0.display())]
    InUse(PathBuf),
    #[error("{} cannot be used", .directory.display())]
    Directory {
        directory: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the store in {} cannot be opened", .directory.display())]
    Store {
        directory: PathBuf,
        #[source]
        source: fjall::Error,
    },
}

/// Why state that was there is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// It is of another log.
    Log {
        found: u64,
    },
    /// It was stored under another schema.
    Schema,
    Damaged(String),
    /// Somebody asked for it.
    Rebuild,
}

impl Discarded {
    /// The label of the reason in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Log { .. } => "log",
            Self::Schema => "schema",
            Self::Damaged(_) => "damaged",
            Self::Rebuild => "rebuild",
        }
    }
}

impl fmt::Display for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log { found } => write!(f, "it is of another log, {found:016x}"),
            Self::Schema => f.write_str("it was stored under another state schema"),
            Self::Damaged(how) => write!(f, "it is damaged: {how}"),
            Self::Rebuild => f.write_str("a rebuild was asked for"),
        }
    }
}

/// The state of all partitions that this process owns or owned. Cheap to clone.
#[derive(Clone)]
pub struct LocalStates(Arc<Shared>);

struct Shared {
    database: Database,
    provenance: Provenance,
    memtable: u64,
    /// One for each partition: who has its state open holds it.
    turns: Vec<Arc<Mutex<()>>>,
    failed: watch::Sender<Option<String>>,
}

/// Below this a memory table is not worth a file.
const SMALLEST_MEMTABLE: u64 = 256 * 1024;
/// The most that the journal may hold, in bytes. Past it the store asks its workers to seal the tables of all partitions that keep
/// journals of 64 MiB from going, which are idle ones if there are several such journals.
const JOURNAL_LIMIT: u64 = 256 * 1024 * 1024;
/// One thread writes memory tables out while the other merges files.
const WORKERS: usize = 2;
/// Open files of the store.
const OPEN_FILES: usize = 256;
/// Batches whose commands are looked through for expired ones at one flush.
const EXPIRED_BATCHES: usize = 4;

impl LocalStates {
    /// Opens the store in the directory, or makes it. A store that does not open though nobody else uses it is removed
    /// and made anew: what was in it can be derived again.
    ///
    /// # Errors
    /// When another process uses the directory, or it cannot be written.
    pub fn open(config: &LocalConfig) -> Result<Self, OpenError> {
        let directory = &config.directory;
        let unusable = |source| OpenError::Directory { directory: directory.clone(), source };
        fs::create_dir_all(directory).map_err(unusable)?;
        let database = match open(config) {
            Ok(database) => database,
            Err(fjall::Error::Locked) => return Err(OpenError::InUse(directory.clone())),
            Err(fjall::Error::Io(source)) if is_of_the_directory(&source) => return Err(unusable(source)),
            Err(error) => {
                tracing::warn!(
                    directory = %directory.display(),
                    "the local state cannot be read and is discarded: {error}"
                );
                meters::discarded(&Discarded::Damaged(error.to_string()), "local");
                empty(directory).map_err(unusable)?;
                open(config).map_err(|source| OpenError::Store { directory: directory.clone(), source })?
            }
        };
        Ok(Self(Arc::new(Shared {
            database,
            provenance: config.provenance,
            memtable: (config.write_buffers / u64::from(config.partitions.max(1))).max(SMALLEST_MEMTABLE),
            turns: (0..config.partitions).map(|_| Arc::default()).collect(),
            failed: watch::Sender::new(None),
        })))
    }

    /// The state of one partition. Whoever opened it before has it until it is dropped.
    ///
    /// What is there and cannot be used is discarded, and the reason given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn partition(&self, partition: u32) -> Result<(LocalState, Option<Discarded>), StateError> {
        let turn = self.0.turns.get(partition as usize).cloned().unwrap_or_default();
        let turn = turn.lock_owned().await;
        self.watched(blocking(|| {
            let keyspace = self.keyspace(partition)?;
            let mut state = LocalState {
                states: self.clone(),
                partition,
                keyspace,
                checkpoint: Checkpoint::START,
                expired_to: None,
                _turn: turn,
            };
            let discarded = state.load()?;
            // What was read back from the journal may fill it already.
            state.seal_if_full()?;
            Ok((state, discarded))
        }))
    }

    /// Completes when the store failed, with the reason: no partition of this process can go on.
    pub async fn failed(&self) -> String {
        let mut failed = self.0.failed.subscribe();
        // The sender lives as long as self, so this ends in one way only.
        let reason = failed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_default()
    }

    /// Bytes of memory tables that are not written out yet.
    #[cfg(test)]
    pub(super) fn unwritten(&self) -> u64 {
        self.0.database.write_buffer_size()
    }

    fn keyspace(&self, partition: u32) -> Result<Keyspace, StateError> {
        let options = || {
            KeyspaceCreateOptions::default()
                // Seen to by `seal_if_full`.
                .max_memtable_size(u64::MAX)
                // Most lookups are for what is not there: new ids, and commands that were not made before.
                .filter_policy(FilterPolicy::new([FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0))]))
        };
        Ok(self.0.database.keyspace(&format!("partition-{partition}"), options)?)
    }

    /// Passes an outcome on, and remembers that the store failed.
    fn watched<T>(&self, outcome: Result<T, StateError>) -> Result<T, StateError> {
        if let Err(StateError::Store(error)) = &outcome {
            self.0.failed.send_if_modified(|failed| failed.replace(error.to_string()).is_none());
        }
        outcome
    }
}

impl fmt::Debug for LocalStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalStates({} partitions)", self.0.turns.len())
    }
}

/// One partition's state, open.
pub struct LocalState {
    states: LocalStates,
    partition: u32,
    keyspace: Keyspace,
    checkpoint: Checkpoint,
    /// The last list of expired commands that was removed: what is before it need not be looked through again.
    expired_to: Option<Vec<u8>>,
    _turn: OwnedMutexGuard<()>,
}

impl LocalState {
    /// Removes all of it: the partition is as if nothing had been folded.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn discard(&mut self) -> Result<(), StateError> {
        self.states.watched(blocking(|| {
            // The checkpoint goes first: what is left over if this is cut short is discarded at the next start.
            self.keyspace.remove(layout::META)?;
            self.keyspace.clear()?;
            self.checkpoint = Checkpoint::START;
            Ok(())
        }))
    }

    pub fn partition(&self) -> u32 {
        self.partition
    }

    pub(super) fn provenance(&self) -> Provenance {
        self.states.0.provenance
    }

    /// A view of it as it is now, which later flushes do not change.
    pub(super) fn view(&self) -> View {
        View { snapshot: self.states.0.database.snapshot(), keyspace: self.keyspace.clone() }
    }

    /// Stores entries of a snapshot. Without [`LocalState::restored`] they are discarded at the next start.
    pub(super) fn restore(&mut self, entries: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), StateError> {
        let mut batch = self.states.0.database.batch();
        for (key, value) in entries {
            batch.insert(&self.keyspace, key, value);
        }
        let committed = batch.commit().map_err(StateError::from).and_then(|()| self.seal_if_full());
        self.states.watched(committed)
    }

    /// Seals the memory table once it is full, so that a worker writes it out. The store's own way sends a request for that with every write
    /// until it is done; where its workers are busy these fill their mailbox, and with it full they wait for each other for ever
    /// (fjall's pull request 323), after which the table grows without end.
    fn seal_if_full(&self) -> Result<(), StateError> {
        // Before the store would, where an older build has left it a limit of its own.
        if self.keyspace.tree.active_memtable().size() >= self.states.0.memtable / 4 * 3 {
            self.keyspace.rotate_memtable()?;
        }
        Ok(())
    }

    pub(super) fn restored(&mut self, checkpoint: Checkpoint) -> Result<(), StateError> {
        let meta = layout::meta(&self.provenance(), &checkpoint);
        self.states.watched(self.keyspace.insert(layout::META, meta).map_err(StateError::from))?;
        self.checkpoint = checkpoint;
        Ok(())
    }

    fn load(&mut self) -> Result<Option<Discarded>, StateError> {
        let discarded = match self.keyspace.get(layout::META)?.map(|value| layout::read_meta(&value)) {
            Some(Ok((found, checkpoint))) => match difference(&found, &self.provenance()) {
                None => {
                    self.checkpoint = checkpoint;
                    return Ok(None);
                }
                Some(difference) => difference,
            },
            Some(Err(StateError::Damaged(how))) => Discarded::Damaged(how),
            Some(Err(error)) => return Err(error),
            None if self.keyspace.first_key_value().is_none() => return Ok(None),
            None => Discarded::Damaged("it has no checkpoint".to_owned()),
        };
        meters::discarded(&discarded, "local");
        self.keyspace.clear()?;
        Ok(Some(discarded))
    }

    fn commit(&mut self, batch: &StateBatch) -> Result<(), StateError> {
        let mut writes = self.states.0.database.batch();
        let expired_to = self.forget(&mut writes, batch)?;
        let keyspace = &self.keyspace;
        for (id, value) in &batch.aggregates {
            writes.insert(keyspace, layout::aggregate(*id), value.as_slice());
        }
        for CommandToRemember { key, at, answer } in &batch.commands {
            writes.insert(keyspace, layout::command(*key), layout::remembered(*at, answer));
        }
        if let Some(latest) = batch.commands.iter().map(|command| command.at).max() {
            let keys: Vec<CommandKey> = batch.commands.iter().map(|command| command.key).collect();
            let key = layout::expiry(latest, batch.checkpoint.position.next_offset);
            writes.insert(keyspace, key, layout::expired(&keys));
        }
        for (due, is_due) in &batch.due {
            if *is_due {
                writes.insert(keyspace, layout::due(*due), []);
            } else {
                writes.remove(keyspace, layout::due(*due));
            }
        }
        writes.insert(keyspace, layout::META, layout::meta(&self.provenance(), &batch.checkpoint));
        writes.commit()?;
        self.seal_if_full()?;
        self.expired_to = expired_to.or(self.expired_to.take());
        self.checkpoint = batch.checkpoint;
        Ok(())
    }

    /// Removes commands that have expired, and gives the last list of them. One that was made again since has another
    /// time, and stays.
    fn forget(&self, writes: &mut fjall::OwnedWriteBatch, batch: &StateBatch) -> Result<Option<Vec<u8>>, StateError> {
        let from = self.expired_to.clone().unwrap_or_else(|| vec![layout::EXPIRY]);
        let until = layout::expiry(batch.forgotten_before, 0).to_vec();
        let mut last = None;
        if from >= until {
            return Ok(last);
        }
        for entry in self.keyspace.range(from..until).take(EXPIRED_BATCHES) {
            let (key, keys) = entry.into_inner()?;
            let keys = layout::read_expired(&keys)
                .ok_or_else(|| StateError::Damaged("a list of expiring commands cannot be read".to_owned()))?;
            for command in keys {
                let command = layout::command(command);
                let at = self.keyspace.get(command)?.and_then(|value| Some(layout::read_remembered(&value)?.0));
                if at.is_some_and(|at| at < batch.forgotten_before) {
                    writes.remove(&self.keyspace, command);
                }
            }
            last = Some(key.to_vec());
            writes.remove(&self.keyspace, key);
        }
        Ok(last)
    }
}

impl StateStore for LocalState {
    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// What is expected to be there may have to come from the disk, which is waited for off the runtime's way. What is not
    /// is answered from memory nearly always, by the files' key ranges and Bloom filters; moving the runtime aside
    /// would cost more than the lookup.
    fn aggregate(&self, id: Uuid, expected: bool) -> Result<Option<Vec<u8>>, StateError> {
        let get = || Ok(self.keyspace.get(layout::aggregate(id))?.map(|value| value.to_vec()));
        self.states.watched(if expected { blocking(get) } else { get() })
    }

    fn command(&self, key: CommandKey) -> Result<Option<Vec<u8>>, StateError> {
        let Some(value) = self.states.watched(self.keyspace.get(layout::command(key)).map_err(StateError::from))?
        else {
            return Ok(None);
        };
        let (_, answer) = layout::read_remembered(&value)
            .ok_or_else(|| StateError::Damaged("a remembered command cannot be read".to_owned()))?;
        Ok(Some(answer.to_vec()))
    }

    fn due(&self, after: Option<Due>, limit: usize) -> Result<Vec<Due>, StateError> {
        let read = || {
            // The key that follows another is the same with a zero byte more.
            let from = after.map_or_else(|| vec![layout::DUE], |due| [&layout::due(due)[..], &[0]].concat());
            let keys = self.keyspace.range(from..vec![layout::DUE + 1]).take(limit);
            let due = |key: &[u8]| layout::read_due(key).ok_or_else(|| StateError::Damaged("a due time".to_owned()));
            keys.map(|entry| due(&entry.key()?)).collect()
        };
        self.states.watched(blocking(read))
    }

    fn write(&mut self, batch: StateBatch) -> Result<(), StateError> {
        let outcome = blocking(|| self.commit(&batch));
        self.states.watched(outcome)
    }
}

impl fmt::Debug for LocalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalState({} at {:?})", self.partition, self.checkpoint.position)
    }
}

/// A partition's state as it was at one moment.
pub(super) struct View {
    snapshot: fjall::Snapshot,
    keyspace: Keyspace,
}

impl View {
    pub fn checkpoint(&self) -> Result<Option<(Provenance, Checkpoint)>, StateError> {
        self.snapshot.get(&self.keyspace, layout::META)?.map(|value| layout::read_meta(&value)).transpose()
    }

    /// All entries but the checkpoint.
    pub fn entries(&self) -> impl Iterator<Item = Result<(fjall::Slice, fjall::Slice), StateError>> {
        let entries = self.snapshot.iter(&self.keyspace).map(|entry| Ok(entry.into_inner()?));
        entries.filter(|entry| !matches!(entry, Ok((key, _)) if **key == layout::META))
    }
}

/// How the provenance of some state differs from the one that is needed.
pub(super) fn difference(found: &Provenance, needed: &Provenance) -> Option<Discarded> {
    if found.log_id != needed.log_id {
        return Some(Discarded::Log { found: found.log_id });
    }
    (found.schema != needed.schema).then_some(Discarded::Schema)
}

fn open(config: &LocalConfig) -> fjall::Result<Database> {
    Database::builder(&config.directory)
        .cache_size(config.block_cache)
        .max_journaling_size(JOURNAL_LIMIT)
        .worker_threads(WORKERS)
        .max_cached_files(Some(OPEN_FILES))
        .open()
}

/// Whether the directory is at fault, and not what is in it.
fn is_of_the_directory(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull)
}

fn empty(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Does what may wait for the disk, while other tasks of the runtime go on.
fn blocking<T>(call: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => block_in_place(call),
        // Nobody else is there to go on.
        _ => call(),
    }
}
