//! Appending facts that decide nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use thiserror::Error;

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::voice::ClientVoice;

/// Appends to the activity topic. Cheap to clone; records go to any partition.
#[derive(Clone)]
pub struct ActivityWriter(Arc<Shared>);

struct Shared {
    topic: String,
    client: ClientConfig,
    /// Replaced when it has failed for good.
    producer: Mutex<Producing>,
}

#[derive(Clone)]
struct Producing {
    producer: FutureProducer<SharedVoice>,
    voice: Arc<ClientVoice>,
}

/// The voice of a producer that keeps its own to itself.
#[derive(Clone)]
struct SharedVoice(Arc<ClientVoice>);

/// Not all of it is known to be stored. Some of it may be.
#[derive(Debug, Error)]
pub enum NotStored {
    #[error("so much waits for the cluster that there is no room for more")]
    Full,
    #[error("the cluster did not store it")]
    Failed(#[source] Box<ClientError>),
}

impl ActivityWriter {
    /// Makes no round trip.
    pub fn connect(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let client = config.activity();
        let producer = Mutex::new(Producing::new(&client).map_err(KafkaError::client)?);
        Ok(Self(Arc::new(Shared { topic: config.activity_topic.clone(), client, producer })))
    }

    /// Returns when the cluster has stored all values, or has failed to for five seconds.
    ///
    /// # Errors
    /// [`NotStored`]. Whoever appends them again may append some twice.
    pub async fn append(&self, values: &[Vec<u8>]) -> Result<(), NotStored> {
        let producing = self.0.producer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let outcome = self.send(&producing.producer, values).await;
        if outcome.is_err() {
            self.mend(&producing);
        }
        outcome
    }

    /// What can be done after a failure: a client that has lost all brokers is told of them again, and one that has failed for good is
    /// replaced.
    fn mend(&self, producing: &Producing) {
        let client = producing.producer.client();
        producing.voice.rescue(client);
        let Some((code, why)) = client.fatal_error() else { return };
        let mut current = self.0.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current.voice, &producing.voice) {
            return;
        }
        match Producing::new(&self.0.client) {
            Ok(fresh) => {
                tracing::warn!("the producer of activity has failed for good and is replaced ({code}): {why}");
                *current = fresh;
            }
            Err(error) => tracing::error!("the producer of activity cannot be replaced: {error}"),
        }
    }

    async fn send(&self, producer: &FutureProducer<SharedVoice>, values: &[Vec<u8>]) -> Result<(), NotStored> {
        let mut reports = Vec::with_capacity(values.len());
        let mut refused = None;
        for value in values {
            match producer.send_result(FutureRecord::<(), _>::to(&self.0.topic).payload(value)) {
                Ok(report) => reports.push(report),
                Err((error, _)) => {
                    refused = Some(failed(error));
                    break;
                }
            }
        }
        for report in join_all(reports).await {
            match report {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => return Err(failed(error)),
                // The producer was closed.
                Err(_) => return Err(failed(ClientError::Canceled)),
            }
        }
        refused.map_or(Ok(()), Err)
    }
}

impl Producing {
    fn new(client: &ClientConfig) -> Result<Self, ClientError> {
        let voice = Arc::new(ClientVoice::new("activity", client));
        let producer = client.create_with_context(SharedVoice(voice.clone()))?;
        Ok(Self { producer, voice })
    }
}

impl ClientContext for SharedVoice {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.0.error(error, reason);
    }
}

fn failed(error: ClientError) -> NotStored {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => NotStored::Full,
        _ => NotStored::Failed(Box::new(error)),
    }
}

impl fmt::Debug for ActivityWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivityWriter({})", self.0.topic)
    }
}
