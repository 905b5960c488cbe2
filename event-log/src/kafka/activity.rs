//! Appending facts that decide nothing.

use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use thiserror::Error;

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::voice::ClientVoice;

/// Appends to the activity topic. Cheap to clone; records go to any partition.
#[derive(Clone)]
pub struct ActivityWriter {
    topic: String,
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
        let voice = Arc::new(ClientVoice::new("activity", &client));
        let producer = client.create_with_context(SharedVoice(voice.clone())).map_err(KafkaError::client)?;
        Ok(Self { topic: config.activity_topic.clone(), producer, voice })
    }

    /// Returns when the cluster has stored all values, or has failed to for five seconds.
    ///
    /// # Errors
    /// [`NotStored`]. Whoever appends them again may append some twice.
    pub async fn append(&self, values: &[Vec<u8>]) -> Result<(), NotStored> {
        let outcome = self.send(values).await;
        if outcome.is_err() {
            self.voice.rescue(self.producer.client());
        }
        outcome
    }

    async fn send(&self, values: &[Vec<u8>]) -> Result<(), NotStored> {
        let mut reports = Vec::with_capacity(values.len());
        let mut refused = None;
        for value in values {
            match self.producer.send_result(FutureRecord::<(), _>::to(&self.topic).payload(value)) {
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
        write!(f, "ActivityWriter({})", self.topic)
    }
}
