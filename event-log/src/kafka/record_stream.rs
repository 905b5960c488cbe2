//! The records of a partition as they stand, for topics in which nothing decides what counts.

use super::error::KafkaError;
use super::partition_log::{Inbox, KafkaLog, PartitionLog};
use super::stream::{Revocable, next_event};
use crate::log::{Log, LogEvent};
use crate::reader::Halt;
use crate::record::LogRecord;

/// What had arrived when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    pub records: Vec<LogRecord>,
    /// Where whoever has handled these goes on.
    pub next_offset: u64,
    pub bytes: u64,
}

/// Every record of one partition, in order and without end.
#[derive(Debug)]
pub struct RecordStream {
    log: KafkaLog,
    partition: u32,
    partition_log: PartitionLog,
    inbox: Inbox,
    next_offset: u64,
    gone: Option<Gone>,
    /// Why, as a sentence.
    halt: Option<Halt>,
    /// What [`RecordStream::through`] had when it met a gap.
    kept: Vec<LogRecord>,
    max_records: usize,
    max_bytes: u64,
    revoked: Option<Revocable>,
}

/// The cluster does not hold the next record: it has expired, or the topic was made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cluster does not hold the record at {0}")]
pub struct Gone(pub u64);

impl RecordStream {
    /// A stream of its own, outside any group.
    pub fn open(log: &KafkaLog, partition: u32, offset: u64) -> Self {
        Self::start(log, partition, offset, None)
    }

    pub(super) fn start(log: &KafkaLog, partition: u32, offset: u64, revoked: Option<Revocable>) -> Self {
        let (partition_log, inbox) = log.partition(partition);
        let log = log.clone();
        let mut stream = Self {
            log,
            partition,
            partition_log,
            inbox,
            next_offset: offset,
            gone: None,
            halt: None,
            kept: Vec::new(),
            max_records: 10_000,
            max_bytes: 16 * 1024 * 1024,
            revoked,
        };
        stream.rewind(offset);
        stream
    }

    /// Bounds what is delivered at once; the record that reaches a bound is still part of it.
    #[must_use]
    pub fn limits(mut self, max_records: usize, max_bytes: usize) -> Self {
        self.max_records = max_records;
        self.max_bytes = max_bytes as u64;
        self
    }

    /// Goes on from another offset.
    pub fn rewind(&mut self, offset: u64) {
        self.kept.clear();
        self.skip_to(offset);
    }

    /// Goes on behind records that are gone, as if there had been none.
    pub fn skip_to(&mut self, offset: u64) {
        self.next_offset = offset;
        self.gone = None;
        self.halt = None;
        self.partition_log.open(self.partition, offset);
    }

    /// Why nothing more can be read, after [`Gone`].
    pub fn halt(&self) -> Option<&Halt> {
        self.halt.as_ref()
    }

    pub fn is_revoked(&self) -> bool {
        self.revoked.as_ref().is_some_and(Revocable::is_revoked)
    }

    /// Asks the cluster what it holds: from the first record to one past the last.
    pub async fn bounds(&self) -> Result<std::ops::Range<u64>, KafkaError> {
        self.log.bounds(self.partition).await
    }

    /// What has arrived; waits if nothing has. None once the partition is revoked or the log closed.
    ///
    /// # Errors
    /// [`Gone`], until the stream is rewound.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Records>, Gone> {
        self.gather(u64::MAX, self.max_records, self.max_bytes).await
    }

    /// All that stands before `end`, however much that is, and nothing behind it. Cancel safe: what was read is kept.
    ///
    /// # Errors
    /// As [`RecordStream::next`].
    pub async fn through(&mut self, end: u64) -> Result<Option<Records>, Gone> {
        while self.next_offset < end {
            let Some(part) = self.gather(end, usize::MAX, u64::MAX).await? else { return Ok(None) };
            self.kept.extend(part.records);
        }
        let records = std::mem::take(&mut self.kept);
        let bytes = records.iter().map(LogRecord::size).sum::<usize>() as u64;
        Ok(Some(Records { records, next_offset: self.next_offset, bytes }))
    }

    /// At least one record. Cancel safe: it waits for the first one alone.
    async fn gather(&mut self, end: u64, max_records: usize, max_bytes: u64) -> Result<Option<Records>, Gone> {
        if self.is_revoked() {
            return Ok(None);
        }
        let mut gathered = Records { records: Vec::new(), next_offset: self.next_offset, bytes: 0 };
        while self.gone.is_none()
            && gathered.records.len() < max_records
            && gathered.bytes < max_bytes
            && self.next_offset < end
        {
            let event = match self.inbox.try_recv() {
                Some(event) => event,
                None if !gathered.records.is_empty() => break,
                None => match next_event(&mut self.inbox, self.revoked.as_ref()).await {
                    Some(event) => event,
                    None => return Ok(None),
                },
            };
            match event {
                LogEvent::Record(record) => {
                    self.next_offset = record.offset + 1;
                    gathered.bytes += record.size() as u64;
                    gathered.records.push(record);
                }
                LogEvent::ReadFailed { halt, .. } => {
                    self.gone = Some(Gone(self.next_offset));
                    self.halt = Some(halt);
                }
                // Nothing is appended here.
                LogEvent::Appended { .. } | LogEvent::AppendFailed { .. } => {}
            }
        }
        gathered.next_offset = self.next_offset;
        match self.gone {
            Some(gone) if gathered.records.is_empty() => Err(gone),
            _ => Ok(Some(gathered)),
        }
    }
}
