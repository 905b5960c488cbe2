//! Between the log's records and the client's messages.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};

use super::native;
use crate::record::{LogRecord, RecordDraft};

/// Copies a message out of the client's memory. None if the client gave it an offset or a partition that cannot be.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Option<LogRecord> {
    Some(LogRecord {
        partition: u32::try_from(message.partition()).ok()?,
        offset: u64::try_from(message.offset()).ok()?,
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: native::headers(message),
    })
}

/// The headers of a draft in the client's form.
pub(super) fn headers(draft: &RecordDraft) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(draft.headers.len());
    draft.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}
