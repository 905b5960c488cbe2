//! The [`Log`] on a Kafka cluster.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use metrics::Counter;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{Mutex as Turn, mpsc};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::archived::Archived;
use super::config::KafkaConfig;
use super::consumers::Consumers;
use super::error::KafkaError;
use super::lanes::{Append, Entered, LanePool, Report};
use super::meters;
use super::tail::{Command, Desk, Session, Tail, Taken};
use crate::log::{AppendId, Lane, Log, LogEvent};
use crate::record::RecordDraft;

/// A process's connection to the events: one consumer and one pool of producers, shared by all its partitions.
#[derive(Clone)]
pub struct KafkaLog {
    shared: Arc<Shared>,
}

struct Shared {
    brokers: String,
    topic: Arc<str>,
    consumers: Arc<Consumers>,
    pool: Arc<LanePool>,
    archived: Option<Arc<Archived>>,
    /// One for each partition: who reads it holds it.
    turns: Vec<Arc<Turn<()>>>,
}

/// Who holds a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replicas {
    pub in_sync: usize,
    pub all: usize,
}

/// Asking the cluster for ends of partitions may take this long.
const QUERY_LIMIT: Duration = Duration::from_secs(10);
/// An owner that asks for the end of its partition can do without.
const SHORT_QUERY_LIMIT: Duration = Duration::from_secs(2);

impl KafkaLog {
    /// Records that the cluster holds no more are read from [`KafkaConfig::archive`], if it is named: whoever opens a partition meets
    /// all of it, and does not notice where the one ends and the other begins.
    ///
    /// Sets the clients up, without a round trip to the cluster: an unreachable one shows later, in the log and the metrics.
    /// Must be called inside a tokio runtime.
    pub fn connect(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let consumers = Arc::new(Consumers::connect(config)?);
        let topic: Arc<str> = config.events_topic.as_str().into();
        let pool = LanePool::start(config, topic.clone()).map_err(KafkaError::client)?;
        let archived = Archived::connect(config, consumers.tail().clone(), topic.clone())?.map(Arc::new);
        Ok(Self {
            shared: Arc::new(Shared {
                brokers: config.brokers.clone(),
                topic,
                consumers,
                pool: Arc::new(pool),
                archived,
                turns: (0..config.partitions).map(|_| Arc::default()).collect(),
            }),
        })
    }

    /// The two halves for the task of one partition. Dropping the [`PartitionLog`] ends the reading.
    ///
    /// A partition is read through one `PartitionLog` at a time: a second that is opened gets its first record when the
    /// first was closed or dropped.
    pub fn partition(&self, partition: u32) -> (PartitionLog, Inbox) {
        let (commands, commands_in) = mpsc::unbounded_channel();
        let (reports, reports_in) = mpsc::unbounded_channel();
        let session = Session::default();
        let desk = Arc::new(Desk::new(self.shared.archived.is_some()));
        let tail = Tail {
            consumers: self.shared.consumers.clone(),
            topic: self.shared.topic.clone(),
            partition,
            desk: desk.clone(),
            reports: reports.downgrade(),
            turn: self.shared.turns.get(partition as usize).cloned().unwrap_or_default(),
            archived: self.shared.archived.clone(),
        };
        // It ends by itself when the PartitionLog is dropped; it fails in no other way than by telling the inbox.
        tokio::spawn(tail.run(commands_in));
        let log = PartitionLog {
            partition,
            topic: self.shared.topic.clone(),
            pool: self.shared.pool.clone(),
            producers: HashMap::new(),
            session: session.clone(),
            commands,
            reports,
        };
        let mut look_anyway = interval(LOOK_ANYWAY);
        look_anyway.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let inbox =
            Inbox { partition, session, reports: reports_in, desk, look_anyway, read: meters::records_read(partition) };
        (log, inbox)
    }

    /// One past the last record that the broker is known to hold, for metrics: no round trip. None until the partition has
    /// been fetched from.
    pub fn end_offset(&self, partition: u32) -> Option<u64> {
        self.shared.consumers.known_end(&self.shared.topic, partition)
    }

    /// Asks the cluster for the end of each partition: one past its last record.
    pub async fn end_offsets(&self) -> Result<Vec<u64>, KafkaError> {
        let bounds = self.ask_bounds(0..self.partitions(), QUERY_LIMIT).await?;
        Ok(bounds.into_iter().map(|bounds| bounds.end).collect())
    }

    /// The first record of each partition that was appended at a time or later, in milliseconds since 1970; where there is none, the end.
    /// The archive is asked for what the cluster was, and holds no more.
    ///
    /// # Errors
    /// [`KafkaError::Deleted`] where it was deleted and no archive is named.
    pub async fn offsets_at(&self, millis: i64) -> Result<Vec<u64>, KafkaError> {
        let ends = self.end_offsets().await?;
        let found = self.ask("times", QUERY_LIMIT, move |shared| {
            let mut times = TopicPartitionList::new();
            for partition in 0..shared.turns.len() {
                times.add_partition_offset(&shared.topic, partition as i32, Offset::Offset(millis))?;
            }
            shared.consumers.tail().offsets_for_times(times, QUERY_LIMIT)
        });
        let found = found.await?;
        let offset = |(partition, end): (u32, u64)| {
            let element = found.find_partition(&self.shared.topic, partition as i32);
            let offset = element.and_then(|element| match element.offset() {
                Offset::Offset(offset) => u64::try_from(offset).ok(),
                _ => None,
            });
            offset.map_or(end, |offset| offset.min(end))
        };
        let found: Vec<_> = (0..).zip(ends).map(offset).collect();
        // Asked for after the times: so whatever was deleted by then is looked for below.
        let held = self.ask_bounds(0..self.partitions(), QUERY_LIMIT).await?;
        let mut offsets = Vec::new();
        for (partition, (found, held)) in (0..).zip(found.into_iter().zip(held)) {
            offsets.push(if found > held.start { found } else { self.deleted_at(partition, found, millis).await? });
        }
        Ok(offsets)
    }

    /// The same of one partition, where nothing that the cluster holds before `found` is older.
    async fn deleted_at(&self, partition: u32, found: u64, millis: i64) -> Result<u64, KafkaError> {
        if found == 0 {
            return Ok(0);
        }
        let Some(archived) = &self.shared.archived else {
            return Err(KafkaError::Deleted { topic: self.shared.topic.to_string(), partition, offset: found });
        };
        let moment = archived.moment(partition, millis).await?;
        // Where the archive ends before that, whoever reads on halts at what is missing.
        Ok(if moment.is_behind_all { found } else { moment.offset.min(found) })
    }

    /// Asks the cluster what it holds of one partition: from its first record to one past its last.
    pub async fn bounds(&self, partition: u32) -> Result<Range<u64>, KafkaError> {
        let bounds = self.ask_bounds(partition..partition + 1, QUERY_LIMIT).await?;
        Ok(bounds[0].clone())
    }

    /// Asks the cluster for the end of one partition, for an owner that can do without if there is no answer soon.
    pub async fn end_offset_now(&self, partition: u32) -> Result<u64, KafkaError> {
        let bounds = self.ask_bounds(partition..partition + 1, SHORT_QUERY_LIMIT).await?;
        Ok(bounds[0].end)
    }

    /// Who holds one partition, as the cluster says.
    pub(super) async fn replicas(&self, partition: u32) -> Result<Replicas, KafkaError> {
        let asked = self.ask("replicas", QUERY_LIMIT, move |shared| {
            let metadata = shared.consumers.tail().client().fetch_metadata(Some(&shared.topic), QUERY_LIMIT)?;
            let mut found = metadata.topics().iter().flat_map(|topic| topic.partitions());
            let found = found.find(|found| found.id() == partition as i32);
            Ok(found.map_or(Replicas { in_sync: 0, all: 0 }, |found| Replicas {
                in_sync: found.isr().len(),
                all: found.replicas().len(),
            }))
        });
        asked.await
    }

    async fn ask_bounds(&self, partitions: Range<u32>, limit: Duration) -> Result<Vec<Range<u64>>, KafkaError> {
        let asked = self.ask("ends", limit, move |shared| {
            let bounds = |partition: u32| {
                let client = shared.consumers.tail().client();
                let (low, high) = client.fetch_watermarks(&shared.topic, partition as i32, limit)?;
                Ok(low.max(0) as u64..high.max(0) as u64)
            };
            partitions.map(bounds).collect()
        });
        asked.await
    }

    /// Asks the cluster, which holds up a thread.
    async fn ask<T: Send + 'static>(
        &self,
        what: &str,
        limit: Duration,
        question: impl FnOnce(&Shared) -> Result<T, ClientError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let shared = self.shared.clone();
        match tokio::task::spawn_blocking(move || question(&shared)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(KafkaError::cluster(
                format!("ask for the {what} of topic {}", self.shared.topic),
                &self.shared.brokers,
                source,
            )),
            Err(_) => Err(self.timed_out("answer before this process shut down", limit)),
        }
    }

    pub(super) fn timed_out(&self, action: &str, limit: Duration) -> KafkaError {
        KafkaError::TimedOut {
            action: action.to_owned(),
            brokers: self.shared.brokers.clone(),
            seconds: limit.as_secs(),
        }
    }

    pub fn partitions(&self) -> u32 {
        self.shared.turns.len() as u32
    }

    /// Waits until the clients have closed their connections. Drop the partitions' logs first.
    pub async fn close(self) {
        let pollers = self.shared.consumers.stop_polling();
        drop(self);
        // The threads have nothing to fail with.
        let _ = tokio::task::spawn_blocking(move || pollers.into_iter().try_for_each(JoinHandle::join)).await;
    }
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KafkaLog({} at {})", self.shared.topic, self.shared.brokers)
    }
}

/// One partition, as its owner or reader holds it.
#[derive(Debug)]
pub struct PartitionLog {
    partition: u32,
    topic: Arc<str>,
    pool: Arc<LanePool>,
    /// Of the lanes that the partition writes through.
    producers: HashMap<Lane, Entered>,
    session: Session,
    commands: mpsc::UnboundedSender<Command>,
    reports: mpsc::UnboundedSender<Report>,
}

impl PartitionLog {
    fn producer(&mut self, lane: Lane) -> Result<&Entered, String> {
        match self.producers.entry(lane) {
            Entry::Occupied(entered) => Ok(entered.into_mut()),
            Entry::Vacant(vacant) => {
                let entered = self.pool.enter(lane).map_err(|error| error.to_string())?;
                Ok(vacant.insert(entered))
            }
        }
    }
}

impl Log for PartitionLog {
    fn open(&mut self, partition: u32, offset: u64) {
        debug_assert_eq!(partition, self.partition);
        let session = self.session.next();
        // The task ends only after this sender.
        let _ = self.commands.send(Command::Open { offset, session });
    }

    fn close(&mut self, partition: u32) {
        debug_assert_eq!(partition, self.partition);
        self.session.next();
        let _ = self.commands.send(Command::Close);
    }

    fn append(&mut self, partition: u32, lane: Lane, id: AppendId, records: Vec<RecordDraft>) {
        debug_assert_eq!(partition, self.partition);
        let append = Append::new(partition, id, self.session.current(), &records, self.reports.clone());
        if append.is_claim {
            meters::claim_appended(partition);
        }
        let topic = self.topic.clone();
        let dead = match self.producer(lane) {
            Ok(producer) => {
                producer.send(&topic, &append, &records);
                producer.is_dead()
            }
            Err(reason) => return append.fail(reason),
        };
        if dead {
            // The next append in this lane gets a new one.
            self.producers.remove(&lane);
        }
    }

    fn leave(&mut self, partition: u32, lane: Lane) {
        debug_assert_eq!(partition, self.partition);
        self.producers.remove(&lane);
    }
}

/// Where what a log tells about one partition arrives.
///
/// Outcomes of appends come before records that wait. What belongs to a time before the last [`Log::open`] or
/// [`Log::close`] does not come at all.
pub struct Inbox {
    partition: u32,
    session: Session,
    reports: mpsc::UnboundedReceiver<Report>,
    desk: Arc<Desk>,
    look_anyway: Interval,
    read: Counter,
}

/// The client says whenever the queue of the partition gets a first record. Looking now and then costs nothing beside the
/// price of a word that would be missed.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

impl Inbox {
    /// The next event; waits for it. None once nothing more can be read, since the [`PartitionLog`] was dropped. Cancel safe.
    pub async fn recv(&mut self) -> Option<LogEvent> {
        loop {
            match self.take() {
                Taken::Event(event) => return Some(event),
                Taken::Ended => return None,
                Taken::Nothing => {}
            }
            tokio::select! {
                biased;
                Some((session, event)) = self.reports.recv() => {
                    if session == self.session.current() {
                        return Some(event);
                    }
                }
                () = self.desk.news.notified() => {}
                _ = self.look_anyway.tick() => {}
            }
        }
    }

    /// The next event if one has arrived.
    pub fn try_recv(&mut self) -> Option<LogEvent> {
        match self.take() {
            Taken::Event(event) => Some(event),
            Taken::Nothing | Taken::Ended => None,
        }
    }

    fn take(&mut self) -> Taken {
        let session = self.session.current();
        while let Ok((of, event)) = self.reports.try_recv() {
            if of == session {
                return Taken::Event(event);
            }
        }
        let taken = self.desk.take(session, self.partition);
        if matches!(taken, Taken::Event(LogEvent::Record(_))) {
            self.read.increment(1);
        }
        taken
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({})", self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::consumers::tests::goes;

    /// As where a process, or a test, ends in the midst of it. Nobody listens at the address.
    #[test]
    fn the_client_of_a_reader_that_never_closed_it_goes_with_its_runtime() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (client, reading) = runtime.block_on(async {
            let log = KafkaLog::connect(&KafkaConfig::local("127.0.0.1:1")).unwrap();
            let (mut partition_log, inbox) = log.partition(0);
            partition_log.open(0, 0);
            while inbox.desk.standing().is_none() {
                tokio::task::yield_now().await;
            }
            (Arc::downgrade(log.shared.consumers.tail()), (partition_log, inbox))
        });
        drop(runtime);
        drop(reading);
        goes(&client);
    }
}
