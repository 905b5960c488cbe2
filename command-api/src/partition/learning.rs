//! Fetching schemas that a record was written with and this process has not met. A registry that is down is waited for:
//! guessing would decode wrongly, and skipping would lose the event.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event_log::log::LogEvent;
use event_schema::codec::{Codec, DecodeError};
use futures::FutureExt;
use futures::future::BoxFuture;

pub type Learnt = Result<(), DecodeError>;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The value of the record, if its schema is not known yet. What is not in the wire format at all is no event of ours.
pub fn unknown(codec: &Codec, event: &LogEvent) -> Option<Bytes> {
    let LogEvent::Record(record) = event else { return None };
    let value = record.value.as_ref()?;
    match codec.learn(value).now_or_never() {
        // Known already, or nothing that a registry could tell.
        Some(Ok(()) | Err(DecodeError::NotWireFormat)) => None,
        Some(Err(_)) | None => Some(value.clone()),
    }
}

/// Fetches the schema of the value, for as long as that may still succeed.
pub fn learn(codec: Arc<Codec>, value: Bytes, partition: u32) -> BoxFuture<'static, Learnt> {
    async move {
        let mut pause = FIRST_PAUSE;
        loop {
            match codec.learn(&value).await {
                Err(error) if error.is_retryable() => {
                    tracing::warn!(partition, "a record's schema cannot be fetched yet: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                learnt => return learnt,
            }
        }
    }
    .boxed()
}
