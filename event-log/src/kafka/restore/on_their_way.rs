//! Records on their way to the cluster.

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use tokio::time::{Instant, timeout_at};

use super::RestoreError;
use crate::kafka::convert;
use crate::kafka::voice::ClientVoice;
use crate::record::LogRecord;

/// What is on its way to the cluster.
const BYTES_ON_THEIR_WAY: usize = 16 * 1024 * 1024;
const RECORDS_ON_THEIR_WAY: usize = 10_000;
/// How long the next record is waited for. It is far below the time after which the client would send again, see
/// `KafkaConfig::restorer`.
const TRY: Duration = Duration::from_secs(15);

pub fn nothing_heard() -> ClientError {
    ClientError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)
}

/// Whether nothing was heard of a record in time. All else is for good: the client waits with whatever may pass.
pub fn is_silence(error: &ClientError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut)
}

/// Records that were handed to the client and are not reported yet, in their order.
pub struct OnTheirWay {
    partition: u32,
    deliveries: VecDeque<(u64, usize, DeliveryFuture)>,
    bytes: usize,
    /// From when on the oldest one is waited for.
    since: Instant,
}

impl OnTheirWay {
    pub fn to(partition: u32) -> Self {
        Self { partition, deliveries: VecDeque::new(), bytes: 0, since: Instant::now() }
    }

    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.bytes > BYTES_ON_THEIR_WAY || self.deliveries.len() >= RECORDS_ON_THEIR_WAY
    }

    pub fn send(
        &mut self,
        producer: &FutureProducer<ClientVoice>,
        topic: &str,
        record: &LogRecord,
    ) -> Result<(), RestoreError> {
        let message = FutureRecord::<[u8], [u8]> {
            topic,
            partition: Some(self.partition as i32),
            payload: record.value.as_deref(),
            key: record.key.as_deref(),
            timestamp: Some(record.timestamp),
            headers: Some(convert::headers(&record.headers)),
        };
        let delivery = producer.send_result(message).map_err(|(source, _)| self.not_written(record.offset, source))?;
        if self.deliveries.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += record.size();
        self.deliveries.push_back((record.offset, record.size(), delivery));
        Ok(())
    }

    /// Waits for the oldest one, of which there is one, and gives its offset. Can be cancelled.
    pub async fn settle(&mut self) -> Result<u64, RestoreError> {
        let limit = self.since + TRY;
        let Some((offset, size, delivery)) = self.deliveries.front_mut() else { return std::future::pending().await };
        let (offset, size) = (*offset, *size);
        let delivered = match timeout_at(limit, delivery).await {
            Ok(Ok(Ok(delivered))) => delivered,
            Ok(Ok(Err((source, _)))) => return Err(self.not_written(offset, source)),
            Ok(Err(_)) => return Err(self.not_written(offset, ClientError::Canceled)),
            Err(_) => {
                return Err(self.not_written(offset, nothing_heard()));
            }
        };
        self.deliveries.pop_front();
        self.bytes -= size;
        self.since = Instant::now();
        if delivered.offset != offset as i64 {
            let partition = self.partition;
            return Err(RestoreError::Misplaced { partition, expected: offset, found: delivered.offset });
        }
        Ok(offset)
    }

    fn not_written(&self, offset: u64, source: ClientError) -> RestoreError {
        RestoreError::NotWritten { partition: self.partition, offset, source: Box::new(source) }
    }
}
