//! The edge between the protocol and a log: the trait has a Kafka implementation and a simulated one.

use crate::reader::Halt;
use crate::record::{LogRecord, RecordDraft};

/// One producer of the pool. A partition writes through one lane at a time, and changes it only by a claim.
pub type Lane = u8;

/// Names one append of one partition's owner, so that its outcome can be told apart.
pub type AppendId = u64;

/// A log as an owner or a reader meets it.
///
/// Calls return at once and do not wait for the log: what comes of them arrives later as [`LogEvent`]s in the inbox that
/// the log was opened with.
pub trait Log {
    /// Starts to deliver the records of `partition` from `offset` on, in order and without end.
    fn open(&mut self, partition: u32, offset: u64);

    /// Stops delivering; records that are on their way may still arrive.
    fn close(&mut self, partition: u32);

    /// Hands records to a producer that keeps their order. One outcome is reported for the whole append, or none.
    fn append(&mut self, partition: u32, lane: Lane, id: AppendId, records: Vec<RecordDraft>);

    /// Says that `partition` will write no more through `lane`: what it still holds is purged once nobody else writes
    /// through it. Purging is for liveness alone; a record that arrives late is skipped by every reader.
    fn leave(&mut self, partition: u32, lane: Lane);
}

/// What a log tells about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    Record(LogRecord),
    /// The producer reports the append as done. It may be wrong: no answer to a client rests on it.
    Appended {
        partition: u32,
        id: AppendId,
    },
    /// The producer gave the append up. It may still be in the log, or get there later.
    AppendFailed {
        partition: u32,
        id: AppendId,
        reason: String,
    },
    /// The partition cannot be read on from where the reader stands.
    ReadFailed {
        partition: u32,
        halt: Halt,
    },
}
