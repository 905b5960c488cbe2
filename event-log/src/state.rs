//! What the owner of a partition keeps beside the log: the state that the log's released records lead to, with the
//! position it was derived up to. It is derived, so it may be lost at any time, and costs a longer fold then.
//!
//! - [`StateStore`]: the edge that a partition's runtime meets; everything of one batch is stored, or nothing
//! - [`LocalStates`]: that trait in an embedded store on this machine's disk
//! - [`MemoryState`]: that trait in memory, for simulations
//! - [`Snapshots`]: copies of a partition's state in object storage, for a machine that has none of its own
//!
//! Values are opaque here; whoever encodes them says by a [`StateSchema`] how, and what was stored under another one is
//! discarded.

mod layout;
mod local;
mod memory;
mod meters;
mod objects;
mod snapshot_file;
mod snapshots;

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::position::Position;

pub use local::{Discarded, LocalConfig, LocalState, LocalStates, OpenError};
pub use memory::MemoryState;
pub use meters::describe_state_metrics;
pub use objects::{ObjectStoreError, connect as connect_objects};
pub use snapshot_file::SnapshotError;
pub use snapshots::{Snapshots, SnapshotsError};

/// A hash of how values are encoded and of what they mean. State of another schema cannot be read, only derived anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StateSchema(pub [u8; 32]);

impl fmt::Display for StateSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateSchema({self})")
    }
}

/// Whose state it is: state of another log, or of another encoding, is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    pub log_id: u64,
    pub schema: StateSchema,
}

/// Up to where the state was derived. Always stored in the batch that brings the state there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub position: Position,
    /// The latest log time before the position, in milliseconds since the Unix epoch.
    pub log_time: i64,
    /// How many aggregates there are.
    pub aggregates: u64,
}

impl Checkpoint {
    /// Of a partition of which nothing was folded.
    pub const START: Self = Self { position: Position::START, log_time: 0, aggregates: 0 };
}

/// When which aggregate wants something done: milliseconds since the Unix epoch, and its id.
pub type Due = (i64, Uuid);

/// A command of an aggregate: the aggregate's id, and the command's.
pub type CommandKey = (Uuid, Uuid);

/// What one flush changes, whole or not at all.
#[derive(Clone, Debug)]
pub struct StateBatch {
    pub checkpoint: Checkpoint,
    pub aggregates: Vec<(Uuid, Vec<u8>)>,
    /// Commands to remember.
    pub commands: Vec<CommandToRemember>,
    /// Commands whose log time is before this may be forgotten; no other ever is.
    pub forgotten_before: i64,
    /// True where it is due from now on, false where it is not any more.
    pub due: Vec<(Due, bool)>,
}

/// A command that counts, and the answer that it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandToRemember {
    pub key: CommandKey,
    /// Log time, in milliseconds since the Unix epoch: the only clock by which it may be forgotten.
    pub at: i64,
    pub answer: Vec<u8>,
}

/// The state of one partition. Reads see every batch that was written.
pub trait StateStore {
    fn checkpoint(&self) -> Checkpoint;

    /// `expected` says that the aggregate is probably there, so that a store knows whether this is worth a wait.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn aggregate(&self, id: Uuid, expected: bool) -> Result<Option<Vec<u8>>, StateError>;

    /// A remembered command. One that has expired may be there still.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn command(&self, key: CommandKey) -> Result<Option<Vec<u8>>, StateError>;

    /// The first due times in order after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn due(&self, after: Option<Due>, limit: usize) -> Result<Vec<Due>, StateError>;

    /// Stores the batch and its checkpoint, whole or not at all.
    ///
    /// # Errors
    /// When the store cannot be written; nothing of the batch is stored then.
    fn write(&mut self, batch: StateBatch) -> Result<(), StateError>;
}

/// A partition's state cannot be used any more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    /// The disk or the store on it does not work; no partition of this process can go on.
    #[error("the local state store failed")]
    Store(#[source] Arc<fjall::Error>),
    /// What is stored for this partition makes no sense; it has to be derived anew.
    #[error("the state of the partition is damaged: {0}")]
    Damaged(String),
}

impl From<fjall::Error> for StateError {
    fn from(error: fjall::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

#[cfg(test)]
mod tests;
