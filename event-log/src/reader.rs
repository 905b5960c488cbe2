//! The reader rule: which records count, for owners, projectors, archive, replay and tests alike.
//!
//! 1. A claim starts a new epoch and discards an open commit.
//! 2. An event counts only if its epoch is the latest claim's, offset and nonce, and its `seq` is the next expected.
//! 3. A commit is released when its last record has come.
//!
//! Everything else is skipped and counted.

use std::fmt;

use thiserror::Error;
use uuid::Uuid;

use crate::position::Position;
use crate::record::{Claim, Epoch, EventStamp, LogRecord, Stamp};

/// The events of one command, whole and in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub id: Uuid,
    pub epoch: Epoch,
    /// One or more, in order.
    pub records: Vec<LogRecord>,
}

impl Commit {
    /// The offset of its last record.
    pub fn last_offset(&self) -> u64 {
        self.records.last().map_or(0, |record| record.offset)
    }
}

/// What one record did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new epoch begins.
    Claimed(Claim),
    /// It counts, and its commit waits for more records.
    Pending,
    /// Its commit is whole.
    Released(Commit),
    Skipped(Skip),
    /// The record before the position of a resume was the one expected.
    Resumed,
}

/// Why a record does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// It carries no stamp that can be read.
    Unstamped,
    /// It belongs to an epoch that is not the latest claim's.
    Epoch,
    /// Its `seq` is not the next one: a duplicate, or the followers of a lost record.
    Seq,
    /// It breaks the framing of commits. Nothing more of its epoch counts, as `seq` does not advance past it.
    Framing,
}

impl Skip {
    /// The label of the reason in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unstamped => "unstamped",
            Self::Epoch => "epoch",
            Self::Seq => "seq",
            Self::Framing => "framing",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The log is not the one this reader has read so far. Going on would be wrong, so the reader halts.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Halt {
    #[error("partition {partition} has no record at offset {expected}: the next one there is is {found}")]
    Gap { partition: u32, expected: u64, found: u64 },
    #[error(
        "partition {partition} was cut back: the record at offset {offset} has the mark {found}, and {expected} was read \
         there before; rebuild what was derived from it"
    )]
    Rewritten { partition: u32, offset: u64, expected: Uuid, found: Uuid },
    #[error(
        "partition {partition} cannot be read at offset {offset}, which was read before: {reason}; rebuild what was derived from it"
    )]
    OutOfRange { partition: u32, offset: u64, reason: String },
    #[error("partition {partition} cannot be read from the archive at offset {offset}: {reason}")]
    Archive { partition: u32, offset: u64, reason: String },
}

/// Records that a commit gets room for before they have come.
const SOME: u32 = 4;

/// Applies the reader rule to the records of one partition, fed one by one in the order of their offsets.
#[derive(Clone, Debug)]
pub struct CommitReader {
    partition: u32,
    next_offset: u64,
    epoch: Option<Epoch>,
    next_seq: u64,
    open: Option<Commit>,
    /// The last place outside a commit.
    position: Position,
    /// The mark that the first record of a resume must have.
    compare: Option<Uuid>,
}

impl CommitReader {
    /// A reader that goes on from `position`. The first record to feed it is the one at [`Position::first_offset`].
    pub fn resume(partition: u32, position: Position) -> Self {
        let compare = position.last_record.filter(|_| position.next_offset > 0);
        Self {
            partition,
            next_offset: if compare.is_some() { position.first_offset() } else { position.next_offset },
            epoch: position.epoch,
            next_seq: position.next_seq,
            open: None,
            position,
            compare,
        }
    }

    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// The offset of the record to feed next.
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Where a reader that has handled everything released so far can resume.
    pub fn position(&self) -> Position {
        self.position
    }

    pub fn step(&mut self, record: LogRecord) -> Result<Step, Halt> {
        if record.offset != self.next_offset {
            return Err(Halt::Gap { partition: self.partition, expected: self.next_offset, found: record.offset });
        }
        let (offset, mark) = (record.offset, record.mark());
        if let Some(expected) = self.compare {
            if mark != expected {
                return Err(Halt::Rewritten { partition: self.partition, offset, expected, found: mark });
            }
            self.compare = None;
            self.next_offset += 1;
            return Ok(Step::Resumed);
        }
        self.next_offset += 1;
        let step = self.judge(record);
        if self.open.is_none() {
            self.position = Position {
                next_offset: self.next_offset,
                epoch: self.epoch,
                next_seq: self.next_seq,
                last_record: Some(mark),
            };
        }
        Ok(step)
    }

    fn judge(&mut self, record: LogRecord) -> Step {
        match record.stamp() {
            Stamp::None => Step::Skipped(Skip::Unstamped),
            Stamp::Claim { nonce, owner, generation } => {
                let epoch = Epoch { offset: record.offset, nonce };
                self.epoch = Some(epoch);
                self.next_seq = 0;
                self.open = None;
                Step::Claimed(Claim { epoch, owner, generation })
            }
            Stamp::Event(stamp) if self.epoch != Some(stamp.epoch) => Step::Skipped(Skip::Epoch),
            Stamp::Event(stamp) if stamp.seq != self.next_seq => Step::Skipped(Skip::Seq),
            Stamp::Event(stamp) => self.take(stamp, record),
        }
    }

    fn take(&mut self, stamp: EventStamp, record: LogRecord) -> Step {
        let mut commit = match self.open.take() {
            // Room for what it says it has, which is nearly always one record, and for no more than a few whatever it says.
            None => {
                let records = Vec::with_capacity(stamp.count.min(SOME) as usize);
                Commit { id: stamp.commit, epoch: stamp.epoch, records }
            }
            Some(open) => open,
        };
        let fits =
            commit.id == stamp.commit && stamp.index as usize == commit.records.len() && stamp.index < stamp.count;
        if !fits {
            // A half commit stays open, so that the position does not move into it.
            self.open = Some(commit).filter(|open| !open.records.is_empty());
            return Step::Skipped(Skip::Framing);
        }
        self.next_seq += 1;
        commit.records.push(record);
        if commit.records.len() < stamp.count as usize {
            self.open = Some(commit);
            return Step::Pending;
        }
        Step::Released(commit)
    }
}

#[cfg(test)]
mod tests;
