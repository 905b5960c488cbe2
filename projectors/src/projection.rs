//! What the runner asks of a projection.

use std::future::Future;
use std::sync::Arc;

use event_log::position::Position;
use read_model::Projection as Names;
use thiserror::Error;

use crate::dead_letter::{DeadLetter, Parked, Standing};
use crate::event::LoggedEvent;

/// A projection of the log into a store that keeps its position with its data.
pub trait Projection: Send + Sync + Sized + 'static {
    /// The writes of some events of one partition.
    type Batch: Send + Sync + 'static;

    /// Bytes of the log that make a batch full.
    const BATCH_BYTES: usize = 16 << 20;
    /// Bytes of the log that are on their way to the store at a time, in all partitions together.
    const UNDER_WAY_BYTES: usize = 16 << 20;

    /// Names the projection and its version in metrics, logs and the group that shares its partitions.
    fn names(&self) -> Names;

    /// The same for a version that is filled and that nobody reads, where a store can make use of that.
    #[must_use]
    fn filling(self) -> Self {
        self
    }

    /// Pure, and may take its time: the runner calls it where blocking is allowed.
    fn project(&self, events: &[LoggedEvent]) -> Result<Self::Batch, Unprojectable>;

    /// How far the store is in a partition.
    fn load(&self, partition: u32) -> impl Future<Output = Result<Saved, StoreFailure>> + Send;

    /// The same for who is going to write it: creates before what would be missing without a word.
    fn take_up(&self, partition: u32) -> impl Future<Output = Result<Saved, StoreFailure>> + Send {
        self.load(partition)
    }

    /// The keys of a partition whose records are parked.
    fn parked(&self, partition: u32) -> impl Future<Output = Result<Vec<Parked>, StoreFailure>> + Send;

    /// The first key of a partition of which an operator wants something, and what: to retry or to drop it.
    fn order(&self, partition: u32) -> impl Future<Output = Result<Option<(String, Standing)>, StoreFailure>> + Send;

    /// The first parked records of a key, in their order.
    fn letters(
        &self,
        partition: u32,
        key: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DeadLetter>, StoreFailure>> + Send;

    /// Writes what changes and the position after it, if the store still is where `from` says. Written again, whole or in part,
    /// it changes nothing.
    ///
    /// Whoever drops the future does not stop the write. After any failure the outcome is unknown until
    /// [`Projection::load`] says where the store is.
    fn write(
        &self,
        partition: u32,
        changes: Changes<Self::Batch>,
        from: Saved,
        to: Position,
    ) -> impl Future<Output = Result<Saved, StoreFailure>> + Send;

    /// Waits until no write runs any more.
    fn settled(&self) -> impl Future<Output = ()> + Send;
}

/// What one write changes beside the position.
#[derive(Debug)]
pub struct Changes<B> {
    pub batch: Arc<B>,
    /// Letters that go.
    pub cleared: Option<Cleared>,
    /// Letters that come, after those.
    pub letters: Vec<DeadLetter>,
}

/// Letters of a key that are none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleared {
    pub key: String,
    /// The offset of the last one.
    pub through: u64,
    /// Whether those behind them wait for an operator again.
    pub rest_waits: bool,
}

impl<B> From<Arc<B>> for Changes<B> {
    fn from(batch: Arc<B>) -> Self {
        Self { batch, cleared: None, letters: Vec::new() }
    }
}

impl<B> Clone for Changes<B> {
    fn clone(&self) -> Self {
        Self { batch: self.batch.clone(), cleared: self.cleared.clone(), letters: self.letters.clone() }
    }
}

/// A position as a store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    pub position: Position,
    /// How often the store's position was written: 0 where there is none yet.
    pub revision: i64,
    /// A batch that ends before this offset was begun and may be there in part. It has to be written first, with these bounds.
    pub begun: Option<u64>,
}

impl Saved {
    /// Nothing was projected yet.
    pub const NOTHING: Self = Self { position: Position::START, revision: 0, begun: None };

    /// The offset up to which all is written, or is being written by somebody.
    #[must_use]
    pub fn reaches(self) -> u64 {
        self.begun.unwrap_or_default().max(self.position.next_offset)
    }

    /// After one write more, which moves the position there.
    #[must_use]
    pub fn moved_to(self, position: Position) -> Self {
        Self { position, revision: self.revision + 1, begun: None }
    }
}

/// An event leads to no writes. The text says why.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Unprojectable(pub String);

/// An event that the store does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub offset: u64,
    pub why: String,
}

/// The store did not do what it was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreFailure {
    /// Somebody else has written this partition since; nothing of the batch was written.
    #[error("another projector is ahead in this partition")]
    Superseded,
    /// Trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// There are no positions any more, nor a place for them.
    #[error("{0}: what the store had is lost")]
    Lost(String),
    /// The store takes everything but what some events lead to: the first of a key, and why. What is written of the batch may stay.
    #[error("{} events are refused, the first: {}", .0.len(), .0.first().map_or("", |refused| &refused.why))]
    Refused(Vec<Refused>),
    /// Going on would be wrong; the text says why, and how to mend it.
    #[error("{0}")]
    Halt(String),
}
