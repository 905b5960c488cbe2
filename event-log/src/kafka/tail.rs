//! The reader of one partition: a task that takes records from the shared consumer's queue for that partition.
//!
//! Each partition has a queue of its own inside the client, and one batch on its way here. A reader that does not keep up
//! leaves its queue full; the client then stops to fetch that partition and goes on with the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, mpsc};

use super::config::ClientVoice;
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

/// Records that were there together, in order.
#[derive(Debug)]
pub(super) struct Batch {
    pub session: u64,
    pub events: Vec<LogEvent>,
}

/// A batch ends at this many records or bytes, so that what waits for a slow reader is bounded.
const BATCH_RECORDS: usize = 512;
const BATCH_BYTES: usize = 1024 * 1024;

/// The client wakes the task whenever its queue gets a first record. Looking now and then costs nothing beside the
/// price of a wake-up that would be missed.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

pub(super) struct Tail {
    pub client: Arc<Client>,
    pub topic: Arc<str>,
    pub partition: u32,
    pub batches: mpsc::Sender<Batch>,
    /// Held while the partition is assigned, so that two readers of it take turns.
    pub turn: Arc<Mutex<()>>,
}

struct Open {
    session: u64,
    next_offset: u64,
    queue: PartitionQueue<ClientVoice>,
    arrived: Arc<Notify>,
    failed: bool,
}

impl Tail {
    /// Runs until the sender of the commands is dropped.
    pub async fn run(self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut turn: Option<OwnedMutexGuard<()>> = None;
        let mut open: Option<Open> = None;
        loop {
            let command = match &mut open {
                None => commands.recv().await,
                Some(open) => tokio::select! {
                    biased;
                    command = commands.recv() => command,
                    // A batch lost here belongs to a session that the command ends.
                    () = self.deliver(open) => continue,
                },
            };
            if open.take().is_some() {
                self.unassign().await;
            }
            match command {
                Some(Command::Open { offset, session }) => {
                    if turn.is_none() {
                        turn = Some(self.turn.clone().lock_owned().await);
                    }
                    open = self.assign(offset, session).await;
                }
                Some(Command::Close) => turn = None,
                None => return,
            }
        }
    }

    /// Sends on what there is, or waits until there is something.
    async fn deliver(&self, open: &mut Open) {
        let events = self.take(open);
        if events.is_empty() {
            // Running out of time is the other way to look again.
            let _ = tokio::time::timeout(LOOK_ANYWAY, open.arrived.notified()).await;
            return;
        }
        meters::records_read(self.partition, events.len());
        let batch = Batch { session: open.session, events };
        if self.batches.send(batch).await.is_err() {
            // The inbox is gone, and the owner of both halves will soon drop this one.
            std::future::pending::<()>().await;
        }
    }

    fn take(&self, open: &mut Open) -> Vec<LogEvent> {
        let mut events = Vec::new();
        let mut bytes = 0;
        while !open.failed && events.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            match open.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let Some(record) = convert::record(&message) else {
                        continue;
                    };
                    bytes += convert::size(&record);
                    open.next_offset = record.offset + 1;
                    events.push(LogEvent::Record(record));
                }
                Some(Err(error)) if ends_reading(&error) => {
                    meters::read_failed(self.partition);
                    open.failed = true;
                    events.push(LogEvent::ReadFailed {
                        partition: self.partition,
                        halt: Halt::OutOfRange {
                            partition: self.partition,
                            offset: open.next_offset,
                            reason: "the log ends before it, or begins after it".to_owned(),
                        },
                    });
                }
                // The client tries again by itself.
                Some(Err(error)) => tracing::debug!(partition = self.partition, "reading is interrupted: {error}"),
            }
        }
        events
    }

    async fn assign(&self, offset: u64, session: u64) -> Option<Open> {
        let arrived = Arc::new(Notify::new());
        let (client, topic, partition) = (self.client.clone(), self.topic.clone(), self.partition as i32);
        let notify = arrived.clone();
        let queue = blocking(move || {
            // Split off first: otherwise the first records could end in the client's common queue.
            let mut queue = client.split_partition_queue(&topic, partition)?;
            queue.set_nonempty_callback(move || notify.notify_one());
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
        if queue.is_none() {
            let halt = Halt::OutOfRange {
                partition: self.partition,
                offset,
                reason: "the client refused to read it".to_owned(),
            };
            let events = vec![LogEvent::ReadFailed { partition: self.partition, halt }];
            // Nobody is left to hear of it if the inbox is gone.
            let _ = self.batches.send(Batch { session, events }).await;
        }
        Some(Open { session, next_offset: offset, queue: queue?, arrived, failed: false })
    }

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
