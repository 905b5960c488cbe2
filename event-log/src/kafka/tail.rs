//! The reading of one partition through one of the shared consumers.
//!
//! Each partition has a queue of its own inside the client, from which its reader takes records himself. One who does not
//! keep up leaves his queue full; the client then stops to fetch that partition and goes on with the others.
//!
//! Where the cluster does not hold what is wanted, since it was deleted, what comes from the archive is laid before the queue; so it is from the
//! first record on where the archive is to be read first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{Mutex as Turn, Notify, OwnedMutexGuard, mpsc};

use super::archived::{Archived, Before, Fed, Fetched, Next as FromArchive, Seam};
use super::consumers::{Client, Consumers, Pace};
use super::lanes::Report;
use super::voice::ClientVoice;
use super::{convert, meters};
use crate::log::LogEvent;
use crate::reader::Halt;
use crate::record::{HeadersReader, LogRecord};

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
    pub consumers: Arc<Consumers>,
    pub topic: Arc<str>,
    pub partition: u32,
    pub desk: Arc<Desk>,
    /// Where it says that the partition cannot be read.
    pub reports: mpsc::WeakUnboundedSender<Report>,
    /// Held while the partition is assigned, so that two readers of it take turns.
    pub turn: Arc<Turn<()>>,
    /// Where records are that the cluster holds no more, or is not to be asked for.
    pub archived: Option<Arc<Archived>>,
}

/// Where the queue of a partition lies for the one who reads it. He takes records from it himself: a task between would
/// cost a wake-up for each.
#[derive(Default)]
pub(super) struct Desk {
    lying: Mutex<Lying>,
    /// There may be something new to take. The client holds it as well, and no more than it: the queue lies here, and holds the client.
    pub news: Arc<Notify>,
    /// The cluster does not hold what comes next, and there is an archive to look into.
    out_of_range: Notify,
    /// The reader has taken all there was, and may have to go on at another pace.
    ran_out: Notify,
    has_archive: bool,
}

#[derive(Default)]
enum Lying {
    #[default]
    Nothing,
    Queue(Box<Open>),
    /// Nothing will lie here any more.
    Ended,
}

struct Open {
    session: u64,
    next_offset: u64,
    /// What comes from the archive, before the queue.
    fetched: Option<Fetched>,
    queue: Option<PartitionQueue<ClientVoice>>,
    pace: Pace,
    /// Records taken of the queue since it was empty.
    taken: u32,
    /// The record before the first one that is wanted of the queue, which the archive has given already.
    seam: Option<Seam>,
    /// The seam that it fitted to, while it has given nothing behind it: what it shows again where it has to be opened anew.
    shown: Option<Seam>,
    /// It has given a record. The next one was never compared with anything, so it is not to be opened anew from there.
    has_given: bool,
    /// How often in a row nothing could be read, before this queue.
    refusals: u32,
    /// Why nothing follows behind what was fetched.
    halt: Option<Halt>,
    /// The cluster does not hold what comes next.
    out_of_range: bool,
    failed: bool,
    headers: HeadersReader,
}

/// What there is to read at the moment.
pub(super) enum Taken {
    Event(LogEvent),
    Nothing,
    /// Nothing will be read any more.
    Ended,
}

/// What an open partition gives.
enum Given {
    Event(LogEvent),
    Nothing,
    RanOut,
    OutOfRange,
}

/// Who takes so many records at once while he reads a partition as it grows is behind it.
const MANY: u32 = 512;

impl Desk {
    pub fn new(has_archive: bool) -> Self {
        Self { has_archive, ..Self::default() }
    }

    /// The next record of this session, if one has arrived.
    pub fn take(&self, session: u64, partition: u32) -> Taken {
        match &mut *self.lying() {
            Lying::Ended => Taken::Ended,
            Lying::Queue(open) if open.session == session && !open.failed => match open.take(partition) {
                Given::Event(event) => Taken::Event(event),
                Given::Nothing => Taken::Nothing,
                Given::RanOut => {
                    self.ran_out.notify_one();
                    Taken::Nothing
                }
                Given::OutOfRange if self.has_archive => {
                    self.out_of_range.notify_one();
                    Taken::Nothing
                }
                Given::OutOfRange => {
                    let reason = "the log ends before it, or begins after it because its beginning was deleted: then name the \
                                  place of the archive (GROOT_ARCHIVE)";
                    Taken::Event(unreadable(partition, open.next_offset, reason.to_owned()))
                }
            },
            Lying::Nothing | Lying::Queue(_) => Taken::Nothing,
        }
    }

    /// What the archive gives takes the place of a queue that has nothing more to give. Gives the offset that is wanted, and what is known
    /// of the log.
    fn exchange(&self, fetched: Fetched) -> Option<(u64, Before)> {
        let mut lying = self.lying();
        let Lying::Queue(open) = &mut *lying else { return None };
        if !open.out_of_range {
            return None;
        }
        let refusals = if open.has_given { 1 } else { open.refusals + 1 };
        let before = Before { has_given: open.has_given, refusals, seam: open.seam.take().or(open.shown.take()) };
        **open = Open { fetched: Some(fetched), refusals, ..Open::of(open.session, open.next_offset) };
        Some((open.next_offset, before))
    }

    /// Where the reader of a queue stands, and at which pace he reads.
    pub fn standing(&self) -> Option<(u64, Pace)> {
        match &*self.lying() {
            Lying::Queue(open) if open.queue.is_some() && !open.failed => Some((open.next_offset, open.pace)),
            _ => None,
        }
    }

    /// Takes the queue away. Gives the offset from which another has to go on.
    fn take_queue(&self) -> Option<u64> {
        match &mut *self.lying() {
            Lying::Queue(open) if !open.failed => {
                open.queue.take()?;
                Some(open.seam.as_ref().map_or(open.next_offset, |seam| seam.offset))
            }
            _ => None,
        }
    }

    /// What follows behind that which the archive gives, or in place of a queue that was taken away.
    fn follow(&self, follows: impl FnOnce(&mut Open)) {
        if let Lying::Queue(open) = &mut *self.lying() {
            follows(open);
        }
        self.news.notify_one();
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
    fn of(session: u64, next_offset: u64) -> Self {
        Self {
            session,
            next_offset,
            fetched: None,
            queue: None,
            pace: Pace::default(),
            taken: 0,
            seam: None,
            shown: None,
            has_given: false,
            refusals: 0,
            halt: None,
            out_of_range: false,
            failed: false,
            headers: HeadersReader::default(),
        }
    }

    fn take(&mut self, partition: u32) -> Given {
        if let Some(fetched) = &mut self.fetched {
            match fetched.next() {
                FromArchive::Record(record) => {
                    self.next_offset = record.offset + 1;
                    return Given::Event(LogEvent::Record(record));
                }
                FromArchive::Nothing => return Given::Nothing,
                FromArchive::Ended => self.fetched = None,
            }
        }
        if let Some(halt) = self.halt.take() {
            return self.fail(partition, halt);
        }
        loop {
            let Some(polled) = self.queue.as_mut().and_then(|queue| queue.poll(Duration::ZERO)) else {
                return self.run_out();
            };
            match polled {
                Ok(message) => {
                    let Some(record) = convert::record(&message, &mut self.headers) else { continue };
                    drop(message);
                    if let Some(Seam { offset, mark }) = self.seam.take()
                        && record.offset == offset
                    {
                        match record.mark() {
                            found if found == mark => {
                                self.shown = Some(Seam { offset, mark });
                                continue;
                            }
                            found => {
                                let halt = Halt::Rewritten { partition, offset, expected: mark, found };
                                return self.fail(partition, halt);
                            }
                        }
                    }
                    (self.has_given, self.shown) = (true, None);
                    self.next_offset = record.offset + 1;
                    self.taken = self.taken.saturating_add(1);
                    return Given::Event(LogEvent::Record(record));
                }
                Err(error) if ends_reading(&error) => {
                    meters::read_failed(partition);
                    self.failed = true;
                    self.out_of_range = true;
                    return Given::OutOfRange;
                }
                // The client tries again by itself.
                Err(error) => tracing::debug!(partition, "reading is interrupted: {error}"),
            }
        }
    }

    fn run_out(&mut self) -> Given {
        let taken = std::mem::take(&mut self.taken);
        // Before the first record the end that is known may be of long ago.
        let is_asked = match self.pace {
            Pace::Tail => taken >= MANY,
            Pace::CatchUp => taken > 0,
        };
        if is_asked { Given::RanOut } else { Given::Nothing }
    }

    /// Goes on with this queue, none if the client refused it.
    fn read_on(&mut self, partition: u32, queue: Option<PartitionQueue<ClientVoice>>, pace: Pace) {
        if queue.is_none() {
            let reason = REFUSED.to_owned();
            self.halt = Some(Halt::OutOfRange { partition, offset: self.next_offset, reason });
        }
        self.queue = queue;
        self.pace = pace;
        self.taken = 0;
    }

    fn fail(&mut self, partition: u32, halt: Halt) -> Given {
        meters::read_failed(partition);
        self.failed = true;
        // What is queued behind it would be read over it.
        self.halt = None;
        Given::Event(LogEvent::ReadFailed { partition, halt })
    }
}

fn unreadable(partition: u32, offset: u64, reason: String) -> LogEvent {
    LogEvent::ReadFailed { partition, halt: Halt::OutOfRange { partition, offset, reason } }
}

/// What the tail of a partition has to do next.
enum Next {
    Command(Command),
    OutOfRange,
    RanOut,
    Fed(Fed),
}

impl Tail {
    /// Runs until the sender of the commands is dropped.
    pub async fn run(self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut turn: Option<OwnedMutexGuard<()>> = None;
        let mut open = false;
        // Where it is assigned, if it is.
        let mut client = self.consumers.tail().clone();
        let mut feeding: Option<BoxFuture<'_, Fed>> = None;
        while let Some(next) = self.next(&mut commands, &mut feeding).await {
            match next {
                Next::Command(command) => {
                    feeding = None;
                    if std::mem::take(&mut open) {
                        self.desk.lay(Lying::Nothing);
                        self.unassign(&client).await;
                        client = self.consumers.tail().clone();
                    }
                    match command {
                        Command::Open { offset, session } => {
                            if turn.is_none() {
                                turn = Some(self.turn.clone().lock_owned().await);
                            }
                            if let Some(archived) = self.archived.as_ref().filter(|archived| archived.is_first()) {
                                let (pieces, fetched) = Fetched::new();
                                let lying = Open { fetched: Some(fetched), ..Open::of(session, offset) };
                                self.desk.lay(Lying::Queue(Box::new(lying)));
                                feeding = Some(Box::pin(self.feed(archived, offset, Before::default(), pieces)));
                                open = true;
                            } else {
                                open = self.open(&client, offset, session).await;
                            }
                        }
                        Command::Close => turn = None,
                    }
                }
                Next::OutOfRange => {
                    if let Some(archived) = &self.archived {
                        let (pieces, fetched) = Fetched::new();
                        if let Some((wanted, before)) = self.desk.exchange(fetched) {
                            self.unassign(&client).await;
                            client = self.consumers.tail().clone();
                            feeding = Some(Box::pin(self.feed(archived, wanted, before, pieces)));
                        }
                    }
                }
                Next::RanOut => self.keep_pace(&mut client).await,
                Next::Fed(fed) => {
                    feeding = None;
                    self.go_on(&client, fed).await;
                }
            }
        }
        drop(feeding);
        self.desk.lay(Lying::Ended);
        // Whoever has closed it already, or never had it open, would take it from the one who reads it now.
        if open {
            self.unassign(&client).await;
        }
    }

    /// Cancel safe.
    async fn next(
        &self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        feeding: &mut Option<BoxFuture<'_, Fed>>,
    ) -> Option<Next> {
        let fed = async {
            match feeding {
                Some(feeding) => feeding.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            command = commands.recv() => command.map(Next::Command),
            fed = fed => Some(Next::Fed(fed)),
            () = self.desk.out_of_range.notified() => Some(Next::OutOfRange),
            () = self.desk.ran_out.notified() => Some(Next::RanOut),
        }
    }

    /// Has the archive give what is wanted of it.
    fn feed<'a>(
        &'a self,
        archived: &'a Archived,
        wanted: u64,
        before: Before,
        to: mpsc::Sender<Vec<LogRecord>>,
    ) -> impl Future<Output = Fed> + Send + 'a {
        archived.feed(self.partition, wanted, before, to, self.desk.clone())
    }

    /// Whether it could be opened; the reader has been told if not.
    async fn open(&self, client: &Arc<Client>, offset: u64, session: u64) -> bool {
        let Some(queue) = self.assign(client, offset).await else {
            if let Some(reports) = self.reports.upgrade() {
                let event = unreadable(self.partition, offset, REFUSED.to_owned());
                // Nobody is left to hear of it if the inbox is gone.
                let _ = reports.send((session, event));
            }
            return false;
        };
        self.desk.lay(Lying::Queue(Box::new(Open { queue: Some(queue), ..Open::of(session, offset) })));
        true
    }

    /// Goes on behind what the archive has given.
    async fn go_on(&self, client: &Arc<Client>, fed: Fed) {
        let partition = self.partition;
        match fed {
            Fed::Halted(halt) => self.desk.follow(|open| open.halt = Some(halt)),
            Fed::Through { offset, seam } => {
                let from = seam.as_ref().map_or(offset, |seam| seam.offset);
                let queue = self.assign(client, from).await;
                self.desk.follow(|open| {
                    open.seam = seam;
                    open.read_on(partition, queue, Pace::default());
                });
            }
        }
    }

    /// Has a reader that is far behind go on apart from the others, and one that has come near the end go on with them.
    async fn keep_pace(&self, client: &mut Arc<Client>) {
        let (partition, end) = (self.partition, self.consumers.known_end(&self.topic, self.partition));
        let Some(((next_offset, pace), end)) = self.desk.standing().zip(end) else { return };
        let behind = end.saturating_sub(next_offset);
        let next = pace.next(behind);
        if next == pace {
            return;
        }
        let consumers = self.consumers.clone();
        let other = match blocking(move || consumers.at(next)).await {
            Some(Ok(other)) => other,
            Some(Err(error)) => {
                tracing::warn!(partition, "it is read on beside the others, although it is far behind: {error}");
                return;
            }
            None => return,
        };
        let Some(from) = self.desk.take_queue() else { return };
        tracing::debug!(partition, offset = from, behind, pace = next.label(), "reading on at another pace");
        meters::pace_changed(partition, next.label());
        self.unassign(client).await;
        *client = other;
        let queue = self.assign(client, from).await;
        self.desk.follow(|open| open.read_on(partition, queue, next));
    }

    /// The queue of the partition from an offset on. None if the client refuses.
    async fn assign(&self, client: &Arc<Client>, offset: u64) -> Option<PartitionQueue<ClientVoice>> {
        let (client, topic, partition) = (client.clone(), self.topic.clone(), self.partition as i32);
        let news = self.desk.news.clone();
        blocking(move || {
            // Split off first: otherwise the first records could end in the client's common queue.
            let mut queue = client.split_partition_queue(&topic, partition)?;
            // What it still says of an earlier offset is not of this one: it may say so several times.
            while queue.poll(Duration::ZERO).is_some() {}
            queue.set_nonempty_callback(move || news.notify_one());
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition_offset(&topic, partition, Offset::Offset(i64::try_from(offset).ok()?)).ok()?;
            client
                .incremental_assign(&list)
                .inspect_err(|error| tracing::error!(partition, "the partition cannot be opened: {error}"))
                .ok()?;
            Some(queue)
        })
        .await
        .flatten()
    }

    /// The queue has to be gone from the desk before: dropped later it would take the call-back of the next one.
    async fn unassign(&self, client: &Arc<Client>) {
        let (client, topic, partition) = (client.clone(), self.topic.clone(), self.partition as i32);
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

const REFUSED: &str = "the client refused to read it";

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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// The client may say of a queue that was opened anew what it had still to say of the one before: that its offset cannot be read.
    #[test]
    fn what_a_queue_was_to_show_it_shows_again_where_it_is_opened_anew() {
        let seam = |offset| Seam { offset, mark: Uuid::from_u128(u128::from(offset)) };
        for (to_show, shown, again) in
            [(Some(seam(8)), None, Some(seam(8))), (None, Some(seam(8)), Some(seam(8))), (None, None, None)]
        {
            let desk = Desk::new(true);
            let open = Open { seam: to_show, shown, refusals: 1, ..Open::of(1, 9) };
            desk.lay(Lying::Queue(Box::new(Open { out_of_range: true, failed: true, ..open })));
            let (_pieces, fetched) = Fetched::new();
            assert_eq!(desk.exchange(fetched), Some((9, Before { has_given: false, refusals: 2, seam: again })));
            let (_pieces, fetched) = Fetched::new();
            assert_eq!(desk.exchange(fetched), None, "what was laid in its place is not refused");
        }
    }
}
