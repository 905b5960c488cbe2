//! What counts in one partition, as a reader that only reads gets it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::meters;
use super::partition_log::{Inbox, KafkaLog, PartitionLog};
use crate::log::{Log, LogEvent};
use crate::position::Position;
use crate::reader::{Commit, CommitReader, Halt, Skip, Step};
use crate::record::Claim;

/// How long a delivery that the log is known to fill waits for what is still missing.
const FILLED_WITHIN: Duration = Duration::from_secs(1);

/// What had arrived when it was asked for; where the cluster is known to hold as many records as a delivery may, those that came within a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whole commits in force, in order.
    pub commits: Vec<Commit>,
    /// Where a reader that has handled this delivery resumes; never inside a commit.
    pub position: Position,
    pub claims: Vec<Claim>,
    /// How many records did not count, by reason.
    pub skipped: Vec<(Skip, u64)>,
    /// Read for this delivery, and their bytes.
    pub records: u64,
    pub bytes: u64,
}

impl Delivery {
    /// The next one as a part of this one.
    fn append(&mut self, next: Self) {
        self.commits.extend(next.commits);
        self.position = next.position;
        self.claims.extend(next.claims);
        self.skipped.extend(next.skipped);
        self.records += next.records;
        self.bytes += next.bytes;
    }
}

/// The commits of one partition, in order and without end.
#[derive(Debug)]
pub struct CommitStream {
    log: KafkaLog,
    partition_log: PartitionLog,
    inbox: Inbox,
    reader: CommitReader,
    gathered: Gathered,
    halt: Option<Halt>,
    max_records: u64,
    max_bytes: u64,
    revoked: Option<Revocable>,
}

/// Ends a stream when its partition is to be given up, which it is when this is dropped.
#[derive(Debug)]
pub(super) struct Revocable {
    pub revoked: watch::Receiver<bool>,
    /// Held for its drop alone.
    pub _held: tokio::sync::mpsc::Sender<()>,
}

impl Revocable {
    pub fn is_revoked(&self) -> bool {
        // A subscription that is gone takes no partition back in order: give it up as well.
        *self.revoked.borrow() || self.revoked.has_changed().is_err()
    }

    pub async fn wait(&self) {
        let _ = self.revoked.clone().wait_for(|revoked| *revoked).await;
    }
}

/// Waits for what comes next of a partition. None once that is revoked or the log closed. Cancel safe.
pub(super) async fn next_event(inbox: &mut Inbox, revoked: Option<&Revocable>) -> Option<LogEvent> {
    match revoked {
        None => inbox.recv().await,
        Some(revocable) => tokio::select! {
            () = revocable.wait() => None,
            event = inbox.recv() => event,
        },
    }
}

#[derive(Debug, Default)]
struct Gathered {
    commits: Vec<Commit>,
    claims: Vec<Claim>,
    skipped: BTreeMap<&'static str, (Skip, u64)>,
    records: u64,
    bytes: u64,
    /// Until when it waits for more, once it does.
    wait_until: Option<Instant>,
}

impl Gathered {
    fn tells_something(&self) -> bool {
        !(self.commits.is_empty() && self.claims.is_empty() && self.skipped.is_empty())
    }
}

impl CommitStream {
    /// A stream of its own, outside any group.
    pub fn open(log: &KafkaLog, partition: u32, position: Position) -> Self {
        Self::start(log, partition, position, None)
    }

    pub(super) fn start(log: &KafkaLog, partition: u32, position: Position, revoked: Option<Revocable>) -> Self {
        let (partition_log, inbox) = log.partition(partition);
        let mut stream = Self {
            log: log.clone(),
            partition_log,
            inbox,
            reader: CommitReader::resume(partition, position),
            gathered: Gathered::default(),
            halt: None,
            max_records: 10_000,
            max_bytes: 16 * 1024 * 1024,
            revoked,
        };
        stream.rewind(position);
        stream
    }

    /// Bounds what one delivery holds; the commit that reaches a bound is still part of it.
    #[must_use]
    pub fn limits(mut self, max_records: usize, max_bytes: usize) -> Self {
        self.max_records = max_records as u64;
        self.max_bytes = max_bytes as u64;
        self
    }

    pub fn partition(&self) -> u32 {
        self.reader.partition()
    }

    /// Where the reader stands after the last delivery.
    pub fn position(&self) -> Position {
        self.reader.position()
    }

    /// One past the last record that the broker is known to hold; no round trip.
    pub fn end_offset(&self) -> Option<u64> {
        self.log.end_offset(self.partition())
    }

    pub fn is_revoked(&self) -> bool {
        self.revoked.as_ref().is_some_and(Revocable::is_revoked)
    }

    /// Goes on from another position, such as the one stored last when a write has failed.
    pub fn rewind(&mut self, position: Position) {
        let partition = self.partition();
        self.reader = CommitReader::resume(partition, position);
        self.gathered = Gathered::default();
        self.halt = None;
        self.partition_log.open(partition, self.reader.next_offset());
    }

    /// What has arrived; waits if nothing has. None once the partition is revoked or the log closed: drop the stream then.
    ///
    /// A [`Halt`] is final: the same one comes each time until the stream is rewound. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Delivery>, Halt> {
        self.next_until(u64::MAX).await
    }

    /// All that stands before `end`, however much that is, and nothing behind it: what was delivered once, again.
    pub async fn through(&mut self, end: u64) -> Result<Option<Delivery>, Halt> {
        let mut whole: Option<Delivery> = None;
        loop {
            let Some(part) = self.next_until(end).await? else { return Ok(None) };
            let reached = self.reader.next_offset() >= end;
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => whole.append(part),
            }
            if reached {
                return Ok(whole);
            }
        }
    }

    /// As [`CommitStream::next`], and also returns when all records before `end` have been read.
    pub async fn next_until(&mut self, end: u64) -> Result<Option<Delivery>, Halt> {
        loop {
            if self.is_revoked() {
                return Ok(None);
            }
            let full = self.gathered.records >= self.max_records || self.gathered.bytes >= self.max_bytes;
            if self.reader.next_offset() >= end || (full && self.gathered.tells_something()) {
                return Ok(Some(self.deliver()));
            }
            if let Some(halt) = &self.halt {
                let halt = halt.clone();
                return if self.gathered.tells_something() { Ok(Some(self.deliver())) } else { Err(halt) };
            }
            let event = match self.inbox.try_recv() {
                Some(event) => event,
                None if self.gathered.tells_something() => match self.fill(end).await {
                    Some(event) => event,
                    None if self.is_revoked() => return Ok(None),
                    None => return Ok(Some(self.deliver())),
                },
                None => match next_event(&mut self.inbox, self.revoked.as_ref()).await {
                    Some(event) => event,
                    None => return Ok(None),
                },
            };
            self.take(event);
        }
    }

    /// What comes next of a delivery that is not full although the cluster is known to hold as many records as are missing. A reader that is
    /// far behind would else get what lies in the client at the moment, which is the less the more partitions there are.
    async fn fill(&mut self, end: u64) -> Option<LogEvent> {
        let next = self.reader.next_offset();
        let missing = (self.max_records - self.gathered.records).min(end.saturating_sub(next));
        let held = self.end_offset()?.saturating_sub(next);
        if held < missing {
            return None;
        }
        let wait_until = *self.gathered.wait_until.get_or_insert_with(|| Instant::now() + FILLED_WITHIN);
        timeout_at(wait_until, next_event(&mut self.inbox, self.revoked.as_ref())).await.ok()?
    }

    fn take(&mut self, event: LogEvent) {
        let record = match event {
            LogEvent::Record(record) => record,
            LogEvent::ReadFailed { halt, .. } => {
                self.halt = Some(halt);
                return;
            }
            LogEvent::Appended { .. } | LogEvent::AppendFailed { .. } => return,
        };
        let partition = record.partition;
        self.gathered.records += 1;
        self.gathered.bytes += record.size() as u64;
        match self.reader.step(record) {
            Ok(Step::Resumed | Step::Pending) => {}
            Ok(Step::Released(commit)) => self.gathered.commits.push(commit),
            Ok(Step::Claimed(claim)) => {
                meters::epoch_changed(partition);
                self.gathered.claims.push(claim);
            }
            Ok(Step::Skipped(skip)) => {
                meters::record_skipped(partition, skip);
                self.gathered.skipped.entry(skip.label()).or_insert((skip, 0)).1 += 1;
            }
            Err(halt) => self.halt = Some(halt),
        }
    }

    fn deliver(&mut self) -> Delivery {
        let gathered = std::mem::take(&mut self.gathered);
        Delivery {
            commits: gathered.commits,
            position: self.reader.position(),
            claims: gathered.claims,
            skipped: gathered.skipped.into_values().collect(),
            records: gathered.records,
            bytes: gathered.bytes,
        }
    }

    /// The offset of the record that is read next.
    pub fn next_offset(&self) -> u64 {
        self.reader.next_offset()
    }
}
