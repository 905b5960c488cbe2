//! The reading of one partition through the shared consumer.
//!
//! Each partition has a queue of its own inside the client, from which its reader takes records himself. One who does not
//! keep up leaves his queue full; the client then stops to fetch that partition and goes on with the others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{Mutex as Turn, Notify, OwnedMutexGuard, mpsc};

use super::lanes::Report;
use super::voice::ClientVoice;
use super::{convert, meters};
use crate::log::LogEvent;
use crate::reader::Halt;

pub(super) type Client = BaseConsumer<ClientVoice>;

/// Counts the opens and closes of one partition. What was sent in an earlier one is not delivered.
#[derive(Clone, Debug, Default)]
pub(super) struct Session(Arc<AtomicU64>);

impl Session {
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }
}

#[derive(Debug)]
pub(super) enum Command {
    Open { offset: u64, session: u64 },
    Close,
}

/// Opens and closes the queue of one partition inside the client, as it is told to.
pub(super) struct Tail {
    pub client: Arc<Client>,
    pub topic: Arc<str>,
    pub partition: u32,
    pub desk: Arc<Desk>,
    /// Where it says that the partition cannot be read.
    pub reports: mpsc::WeakUnboundedSender<Report>,
    /// Held while the partition is assigned, so that two readers of it take turns.
    pub turn: Arc<Turn<()>>,
}

/// Where the queue of a partition lies for the one who reads it. He takes records from it himself: a task between would
/// cost a wake-up for each.
#[derive(Default)]
pub(super) struct Desk {
    lying: Mutex<Lying>,
    /// There may be something new to take.
    pub news: Notify,
}

#[derive(Default)]
enum Lying {
    #[default]
    Nothing,
    Queue(Open),
    /// Nothing will lie here any more.
    Ended,
}

struct Open {
    session: u64,
    next_offset: u64,
    queue: PartitionQueue<ClientVoice>,
    failed: bool,
}

/// What there is to read at the moment.
pub(super) enum Taken {
    Event(LogEvent),
    Nothing,
    /// Nothing will be read any more.
    Ended,
}

impl Desk {
    /// The next record of this session, if one has arrived.
    pub fn take(&self, session: u64, partition: u32) -> Taken {
        match &mut *self.lying() {
            Lying::Ended => Taken::Ended,
            Lying::Queue(open) if open.session == session && !open.failed => {
                open.take(partition).map_or(Taken::Nothing, Taken::Event)
            }
            Lying::Nothing | Lying::Queue(_) => Taken::Nothing,
        }
    }

    fn lay(&self, lying: Lying) {
        *self.lying() = lying;
        self.news.notify_one();
    }

    fn lying(&self) -> MutexGuard<'_, Lying> {
        // It is only ever replaced as a whole, so a panic elsewhere leaves nothing half-done in it.
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl Open {
    fn take(&mut self, partition: u32) -> Option<LogEvent> {
        loop {
            match self.queue.poll(Duration::ZERO)? {
                Ok(message) => {
                    let Some(record) = convert::record(&message) else { continue };
                    self.next_offset = record.offset + 1;
                    return Some(LogEvent::Record(record));
                }
                Err(error) if ends_reading(&error) => {
                    meters::read_failed(partition);
                    self.failed = true;
                    let reason = "the log ends before it, or begins after it".to_owned();
                    return Some(unreadable(partition, self.next_offset, reason));
                }
                // The client tries again by itself.
                Err(error) => tracing::debug!(partition, "reading is interrupted: {error}"),
            }
        }
    }
}

fn unreadable(partition: u32, offset: u64, reason: String) -> LogEvent {
    LogEvent::ReadFailed { partition, halt: Halt::OutOfRange { partition, offset, reason } }
}

impl Tail {
    /// Runs until the sender of the commands is dropped.
    pub async fn run(self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut turn: Option<OwnedMutexGuard<()>> = None;
        let mut open = false;
        while let Some(command) = commands.recv().await {
            if std::mem::take(&mut open) {
                self.desk.lay(Lying::Nothing);
                self.unassign().await;
            }
            match command {
                Command::Open { offset, session } => {
                    if turn.is_none() {
                        turn = Some(self.turn.clone().lock_owned().await);
                    }
                    open = self.open(offset, session).await;
                }
                Command::Close => turn = None,
            }
        }
        self.desk.lay(Lying::Ended);
        // Whoever has closed it already, or never had it open, would take it from the one who reads it now.
        if open {
            self.unassign().await;
        }
    }

    /// Whether it could be opened; the reader has been told if not.
    async fn open(&self, offset: u64, session: u64) -> bool {
        let (client, topic, partition) = (self.client.clone(), self.topic.clone(), self.partition as i32);
        let desk = self.desk.clone();
        let queue = blocking(move || {
            // Split off first: otherwise the first records could end in the client's common queue.
            let mut queue = client.split_partition_queue(&topic, partition)?;
            queue.set_nonempty_callback(move || desk.news.notify_one());
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition_offset(&topic, partition, Offset::Offset(i64::try_from(offset).ok()?)).ok()?;
            client
                .incremental_assign(&list)
                .inspect_err(|error| tracing::error!(partition, "the partition cannot be opened: {error}"))
                .ok()?;
            Some(queue)
        })
        .await
        .flatten();
        let Some(queue) = queue else {
            if let Some(reports) = self.reports.upgrade() {
                let event = unreadable(self.partition, offset, "the client refused to read it".to_owned());
                // Nobody is left to hear of it if the inbox is gone.
                let _ = reports.send((session, event));
            }
            return false;
        };
        self.desk.lay(Lying::Queue(Open { session, next_offset: offset, queue, failed: false }));
        true
    }

    /// The queue has to be gone from the desk before: dropped later it would take the call-back of the next one.
    async fn unassign(&self) {
        let (client, topic, partition) = (self.client.clone(), self.topic.clone(), self.partition as i32);
        blocking(move || {
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition(&topic, partition);
            if let Err(error) = client.incremental_unassign(&list) {
                tracing::debug!(partition, "the partition was not open any more: {error}");
            }
        })
        .await;
    }
}

/// Assigning waits for an answer of the client's own thread. None if the runtime is shutting down.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(call).await.ok()
}

/// Whether the partition cannot be read on from where its reader stands. All other errors pass.
fn ends_reading(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::LogTruncation)
    )
}
