//! Between the log's records and the client's messages.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};

use super::native;
use crate::record::{Headers, HeadersReader, LogRecord};

/// Copies a message out of the client's memory. None if the client gave it an offset or a partition that cannot be.
pub(super) fn record(message: &BorrowedMessage<'_>, headers: &mut HeadersReader) -> Option<LogRecord> {
    Some(LogRecord {
        partition: u32::try_from(message.partition()).ok()?,
        offset: u64::try_from(message.offset()).ok()?,
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: native::headers(message, headers),
    })
}

/// Headers in the client's form.
pub(super) fn headers(of: &Headers) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(of.len());
    of.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}
