//! An event as a projection meets it: decoded, and with its place in the log.

use event_log::record::LogRecord;
use event_schema::event::DomainEvent;
use event_schema::meta::EventMeta;

/// An event that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    pub partition: u32,
    pub offset: u64,
    pub meta: EventMeta,
    pub event: DomainEvent,
}

impl LoggedEvent {
    /// The place of a record given to what was decoded from it.
    pub fn at(record: &LogRecord, meta: EventMeta, event: DomainEvent) -> Self {
        Self { partition: record.partition, offset: record.offset, meta, event }
    }
}
