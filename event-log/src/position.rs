//! Where a reader stands in a partition.

use uuid::Uuid;

use crate::record::Epoch;

/// A reader's place in one partition: all it needs to go on exactly where it stopped.
///
/// It never stands inside a commit. Checkpoints, snapshots and archive manifests hold the same five facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The offset of the next record to read.
    pub next_offset: u64,
    /// The epoch in force there; none before the first claim.
    pub epoch: Option<Epoch>,
    /// The `seq` that the next event of that epoch must carry.
    pub next_seq: u64,
    /// The mark of the record at `next_offset - 1`: its id and append time ([`crate::record::LogRecord::mark`]). A resume
    /// reads that record again and compares: a log that was cut back and written anew must never be read over silently.
    pub last_record: Option<Uuid>,
}

impl Position {
    /// Before the first record of a partition.
    pub const START: Self = Self { next_offset: 0, epoch: None, next_seq: 0, last_record: None };

    /// Whether a reader that stands here has passed `offset`.
    pub fn is_past(&self, offset: u64) -> bool {
        self.next_offset > offset
    }

    /// Where a resume starts to read: at the record before, whose mark it compares.
    pub fn first_offset(&self) -> u64 {
        self.next_offset.saturating_sub(1)
    }
}
