//! What the runner asks of a projection.

use std::future::Future;
use std::sync::Arc;

use event_log::position::Position;
use thiserror::Error;

use crate::event::LoggedEvent;

/// A projection of the log into a store that keeps its position with its data.
pub trait Projection: Send + Sync + 'static {
    /// The writes of some events of one partition.
    type Batch: Send + Sync + 'static;

    /// Names the projection in metrics, logs and the group that shares its partitions.
    fn name(&self) -> &'static str;

    /// Pure, and may take its time: the runner calls it where blocking is allowed.
    fn project(&self, events: &[LoggedEvent]) -> Result<Self::Batch, Unprojectable>;

    /// How far the store is in a partition.
    fn load(&self, partition: u32) -> impl Future<Output = Result<Saved, StoreFailure>> + Send;

    /// Writes a batch and the position after it, both or neither, if the store still is where `from` says.
    ///
    /// Whoever drops the future does not stop the write. After any failure the outcome is unknown until
    /// [`Projection::load`] says where the store is.
    fn write(
        &self,
        partition: u32,
        batch: Arc<Self::Batch>,
        from: Saved,
        to: Position,
    ) -> impl Future<Output = Result<Saved, StoreFailure>> + Send;
}

/// A position as a store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    pub position: Position,
    /// How often the store's position was written: 0 where there is none yet.
    pub revision: i64,
}

impl Saved {
    /// Nothing was projected yet.
    pub const NOTHING: Self = Self { position: Position::START, revision: 0 };
}

/// An event leads to no writes. The text says why.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Unprojectable(pub String);

/// The store did not do what it was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreFailure {
    /// Somebody else has written this partition since; nothing of the batch was written.
    #[error("another projector is ahead in this partition")]
    Superseded,
    /// Trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// Going on would be wrong; the text says why, and how to mend it.
    #[error("{0}")]
    Halt(String),
}
