//! The pool of producers.
//!
//! A producer is shared by the partitions that write through its lane, and lives as long as one of them does. When the
//! last has left it is purged, and whoever comes next gets a new one. So a record that was given up is not kept for ever
//! in a producer that retries without end, as long as its lane falls idle now and then.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use tokio::sync::mpsc;

use super::config::{ClientVoice, KafkaConfig};
use super::{convert, meters};
use crate::log::{AppendId, Lane, LogEvent};
use crate::record::RecordDraft;

/// The outcome of an append, and the session in which it was made.
pub(super) type Report = (u64, LogEvent);

#[derive(Debug)]
pub(super) struct LanePool {
    config: ClientConfig,
    lanes: Vec<Mutex<Weak<Producer>>>,
}

impl LanePool {
    pub fn new(config: &KafkaConfig) -> Self {
        Self {
            config: config.lane(),
            lanes: (0..config.lanes.max(1)).map(|_| Mutex::default()).collect(),
        }
    }

    /// The producer of a lane: the one that others use, or a new one if there is none or it has failed for good.
    pub fn enter(&self, lane: Lane) -> Result<Arc<Producer>, ClientError> {
        let slot = &self.lanes[usize::from(lane) % self.lanes.len()];
        // A weak pointer cannot be left half-changed by a panic elsewhere.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = slot.upgrade()
            && !producer.is_dead()
        {
            return Ok(producer);
        }
        let producer = Arc::new(Producer::new(&self.config, lane)?);
        *slot = Arc::downgrade(&producer);
        Ok(producer)
    }
}

pub(super) struct Producer {
    lane: Lane,
    dead: Arc<AtomicBool>,
    /// None only while it is being dropped.
    inner: Option<ThreadedProducer<Reports>>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Producer({})", self.lane)
    }
}

impl Producer {
    fn new(config: &ClientConfig, lane: Lane) -> Result<Self, ClientError> {
        let dead = Arc::new(AtomicBool::new(false));
        let reports = Reports {
            voice: ClientVoice { client: "producer" },
            dead: dead.clone(),
        };
        Ok(Self {
            lane,
            dead,
            inner: Some(config.create_with_context(reports)?),
        })
    }

    /// Whether it failed for good: it takes nothing any more.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Hands all records over in order. Whatever comes of it is reported once, through `append`.
    pub fn send(&self, topic: &str, append: &Arc<Append>, records: &[RecordDraft]) {
        let Some(inner) = &self.inner else {
            return append.fail("its producer is gone".to_owned());
        };
        for record in records {
            let mut message = BaseRecord::with_opaque_to(topic, append.clone())
                .partition(append.partition as i32)
                .headers(convert::headers(record));
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            if let Err((error, _)) = inner.send::<[u8], [u8]>(message) {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
                    self.dead.store(true, Ordering::Release);
                }
                // Those sent before it may still get into the log, where they are a commit cut off.
                return append.fail(error.to_string());
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else {
            return;
        };
        meters::lane_replaced(self.lane);
        // Purging waits for the client's threads, up to a second: nobody may wait for that with it.
        let thread = std::thread::Builder::new().name("groot-lane-purge".to_owned());
        if let Err(error) = thread.spawn(move || drop(inner)) {
            tracing::warn!(
                "a producer was purged in the foreground, since no thread can be started: {error}"
            );
        }
    }
}

/// One append on its way, shared by its records.
#[derive(Debug)]
pub(super) struct Append {
    partition: u32,
    id: AppendId,
    session: u64,
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
        records: usize,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Arc<Self> {
        Arc::new(Self {
            partition,
            id,
            session,
            remaining: AtomicU32::new(records as u32),
            settled: AtomicBool::new(false),
            reports,
        })
    }

    fn delivered(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settle(
                true,
                LogEvent::Appended {
                    partition: self.partition,
                    id: self.id,
                },
            );
        }
    }

    pub fn fail(&self, reason: String) {
        self.settle(
            false,
            LogEvent::AppendFailed {
                partition: self.partition,
                id: self.id,
                reason,
            },
        );
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
    dead: Arc<AtomicBool>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.dead.store(true, Ordering::Release);
        }
        self.voice.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Append>;

    fn delivery(&self, result: &DeliveryResult<'_>, append: Self::DeliveryOpaque) {
        match result {
            Ok(_) => append.delivered(),
            Err((error, _)) => append.fail(error.to_string()),
        }
    }
}
