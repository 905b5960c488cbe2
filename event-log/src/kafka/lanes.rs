//! The pool of producers.
//!
//! A lane's producer is shared by the partitions that write through it. When the last of them leaves and something of theirs
//! is still on its way, the producer is purged and replaced, so that a record that was given up is not sent for ever. A
//! producer that has nothing on its way stays, since a new one needs about half a second until it can send.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};
use tokio::sync::mpsc;

use super::config::KafkaConfig;
use super::voice::ClientVoice;
use super::{convert, meters};
use crate::log::{AppendId, Lane, LogEvent};
use crate::record::RecordDraft;

/// A cluster that is not there for this long is left to the producer's own retries.
const WARM_UP_LIMIT: Duration = Duration::from_secs(10);

/// The outcome of an append, and the session in which it was made.
pub(super) type Report = (u64, LogEvent);

#[derive(Debug)]
pub(super) struct LanePool {
    config: ClientConfig,
    topic: Arc<str>,
    lanes: Vec<Mutex<Option<Arc<Producer>>>>,
}

impl LanePool {
    /// Starts the producers of all lanes. If one cannot be made now, entering its lane tries again.
    pub fn start(config: &KafkaConfig, topic: Arc<str>) -> Result<Self, ClientError> {
        let pool =
            Self { config: config.lane(), topic, lanes: (0..config.lanes.max(1)).map(|_| Mutex::default()).collect() };
        for lane in 0..config.lanes {
            *pool.slot(lane) = Some(pool.producer(lane)?);
        }
        Ok(pool)
    }

    /// The producer of a lane, for one partition, until it is dropped.
    pub fn enter(self: &Arc<Self>, lane: Lane) -> Result<Entered, ClientError> {
        let mut slot = self.slot(lane);
        let usable = slot.as_ref().filter(|producer| !producer.is_dead()).cloned();
        let producer = match usable {
            Some(producer) => producer,
            None => {
                let producer = self.producer(lane)?;
                if slot.replace(producer.clone()).is_some() {
                    meters::lane_replaced(lane);
                }
                producer
            }
        };
        producer.users.fetch_add(1, Ordering::Relaxed);
        Ok(Entered { producer, pool: self.clone() })
    }

    fn leave(&self, producer: &Arc<Producer>) {
        let mut slot = self.slot(producer.lane);
        let last = producer.users.fetch_sub(1, Ordering::Relaxed) == 1;
        let current = slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, producer));
        if last && current && producer.has_something_on_its_way() {
            meters::lane_replaced(producer.lane);
            *slot = self.producer(producer.lane).ok();
        }
    }

    fn slot(&self, lane: Lane) -> MutexGuard<'_, Option<Arc<Producer>>> {
        let slot = &self.lanes[usize::from(lane) % self.lanes.len()];
        // It is only ever replaced as a whole, so a panic elsewhere leaves nothing half-done in it.
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn producer(&self, lane: Lane) -> Result<Arc<Producer>, ClientError> {
        let producer = Arc::new(Producer::new(&self.config, lane)?);
        producer.warm_up(self.topic.clone());
        Ok(producer)
    }
}

/// A partition's use of a lane.
#[derive(Debug)]
pub(super) struct Entered {
    producer: Arc<Producer>,
    pool: Arc<LanePool>,
}

impl Deref for Entered {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        &self.producer
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.pool.leave(&self.producer);
    }
}

pub(super) struct Producer {
    lane: Lane,
    /// Partitions that write through it. Changes only while the lane's slot is locked.
    users: AtomicU32,
    state: Arc<State>,
    inner: Arc<BaseProducer<Reports>>,
    /// Fetches the client's reports. None if no thread could be started: then nothing is sent.
    poller: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// Failed for good.
    dead: AtomicBool,
    /// Claims on their way.
    claims: AtomicU32,
    /// Records reported so far.
    reported: AtomicU64,
    /// The producer is being dropped.
    stopping: AtomicBool,
}

/// How often reports are fetched. Of events nobody waits for them, since what was read back is what counts: a thread that
/// woke up for each would cost more than the sending. Claims are waited for, so while one is on its way so does the thread.
const REPORTS_EVERY: Duration = Duration::from_millis(20);

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Producer({})", self.lane)
    }
}

impl Producer {
    fn new(config: &ClientConfig, lane: Lane) -> Result<Self, ClientError> {
        let state = Arc::<State>::default();
        let reports = Reports { voice: ClientVoice::new("producer", config), state: state.clone() };
        let inner = Arc::new(config.create_with_context::<_, BaseProducer<Reports>>(reports)?);
        let (polled, of) = (inner.clone(), state.clone());
        let poller = thread::Builder::new().name(format!("groot-lane-{lane}")).spawn(move || poll(&polled, &of));
        let poller = poller.inspect_err(|error| tracing::error!(lane, "a producer has no thread: {error}")).ok();
        state.dead.store(poller.is_none(), Ordering::Release);
        Ok(Self { lane, users: AtomicU32::new(0), state, inner, poller })
    }

    /// Connects and asks for the topic's leaders before the first record needs them.
    fn warm_up(&self, topic: Arc<str>) {
        let inner = self.inner.clone();
        let thread = thread::Builder::new().name("groot-lane-warm-up".to_owned());
        let warm_up = move || {
            if let Err(error) = inner.client().fetch_metadata(Some(&topic), WARM_UP_LIMIT) {
                tracing::debug!("a producer starts cold: {error}");
            }
        };
        if let Err(error) = thread.spawn(warm_up) {
            tracing::debug!("a producer starts cold, since no thread can be started: {error}");
        }
    }

    fn has_something_on_its_way(&self) -> bool {
        self.inner.in_flight_count() > 0
    }

    /// Whether it failed for good: it takes nothing any more.
    pub fn is_dead(&self) -> bool {
        self.state.dead.load(Ordering::Acquire)
    }

    /// Hands all records over in order. Whatever comes of it is reported once, through `append`.
    pub fn send(&self, topic: &str, append: &Arc<Append>, records: &[RecordDraft]) {
        if append.is_claim {
            self.state.claims.fetch_add(1, Ordering::AcqRel);
        }
        for record in records {
            let mut message = BaseRecord::with_opaque_to(topic, append.clone())
                .partition(append.partition as i32)
                .headers(convert::headers(&record.headers));
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            if let Err((error, _)) = self.inner.send::<[u8], [u8]>(message) {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
                    self.state.dead.store(true, Ordering::Release);
                }
                if append.is_claim {
                    self.state.claims.fetch_sub(1, Ordering::AcqRel);
                }
                // Those sent before it may still get into the log, where they are a commit cut off.
                return append.fail(error.to_string());
            }
        }
        if append.is_claim {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(poller) = &self.poller {
            poller.thread().unpark();
        }
    }
}

fn poll(inner: &BaseProducer<Reports>, state: &State) {
    while !state.stopping.load(Ordering::Acquire) {
        if state.claims.load(Ordering::Acquire) > 0 {
            inner.poll(REPORTS_EVERY);
        } else {
            thread::park_timeout(REPORTS_EVERY);
            fetch_reports(inner, state);
        }
        inner.context().voice.rescue(inner.client());
    }
    // It waits for the client's threads, up to a second: here nobody waits with it.
    inner.purge(PurgeConfig::default().queue().inflight());
}

/// Fetches all reports that are there. The client keeps a record until its report is fetched, and a poll without patience fetches
/// those of one request alone.
fn fetch_reports(inner: &BaseProducer<Reports>, state: &State) {
    loop {
        let before = state.reported.load(Ordering::Relaxed);
        inner.poll(Duration::ZERO);
        if state.reported.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::Release);
        self.wake();
    }
}

/// One append on its way, shared by its records.
#[derive(Debug)]
pub(super) struct Append {
    partition: u32,
    id: AppendId,
    session: u64,
    pub is_claim: bool,
    /// Records not yet reported as delivered.
    remaining: AtomicU32,
    settled: AtomicBool,
    reports: mpsc::UnboundedSender<Report>,
}

impl Append {
    pub fn new(
        partition: u32,
        id: AppendId,
        session: u64,
        records: &[RecordDraft],
        reports: mpsc::UnboundedSender<Report>,
    ) -> Arc<Self> {
        Arc::new(Self {
            partition,
            id,
            session,
            is_claim: records.iter().any(RecordDraft::is_claim),
            remaining: AtomicU32::new(records.len() as u32),
            settled: AtomicBool::new(false),
            reports,
        })
    }

    fn delivered(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settle(true, LogEvent::Appended { partition: self.partition, id: self.id });
        }
    }

    pub fn fail(&self, reason: String) {
        self.settle(false, LogEvent::AppendFailed { partition: self.partition, id: self.id, reason });
    }

    fn settle(&self, done: bool, event: LogEvent) {
        if !self.settled.swap(true, Ordering::AcqRel) {
            meters::append_settled(done);
            // An inbox that is gone needs no report.
            let _ = self.reports.send((self.session, event));
        }
    }
}

struct Reports {
    voice: ClientVoice,
    state: Arc<State>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.state.dead.store(true, Ordering::Release);
        }
        self.voice.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Append>;

    fn delivery(&self, result: &DeliveryResult<'_>, append: Self::DeliveryOpaque) {
        self.state.reported.fetch_add(1, Ordering::Relaxed);
        if append.is_claim {
            self.state.claims.fetch_sub(1, Ordering::AcqRel);
        }
        match result {
            Ok(_) => append.delivered(),
            Err((error, _)) => append.fail(error.to_string()),
        }
    }
}
