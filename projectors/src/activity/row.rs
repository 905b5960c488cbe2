//! The row of a record.

use std::net::IpAddr;

use event_log::record::LogRecord;
use event_schema::activity::Activity;
use read_model::analytics::rows::{EventRow, SOURCE_ACTIVITY};

use crate::analytics::batch::TIMES;

/// Rows of some records, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub rows: Vec<EventRow>,
    /// Records that are no activity: nobody wrote them who keeps to the rules.
    pub unreadable: u64,
}

pub fn rows(records: &[LogRecord]) -> Rows {
    let rows: Vec<_> = records.iter().filter_map(row).collect();
    let unreadable = (records.len() - rows.len()) as u64;
    Rows { rows, unreadable }
}

fn row(record: &LogRecord) -> Option<EventRow> {
    let activity = Activity::from_value(record.value.as_deref()?).ok()?;
    if !TIMES.contains(&activity.timestamp.timestamp_millis()) {
        return None;
    }
    let Activity { activity_type, timestamp, post_id, session_id, properties, personal } = activity;
    let address = |address: IpAddr| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    Some(EventRow {
        timestamp: timestamp.into(),
        user_id: personal.user_id,
        event_type: activity_type,
        aggregate_id: None,
        post_id,
        properties: properties.into_iter().collect(),
        session_id: session_id.unwrap_or_default(),
        ip_address: personal.ip_address.map(address),
        user_agent: personal.user_agent.unwrap_or_default(),
        country: personal.country.unwrap_or_default(),
        region: personal.region.unwrap_or_default(),
        source: SOURCE_ACTIVITY.to_owned(),
        partition: record.partition,
        offset: record.offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_log::record::Headers;

    fn record(offset: u64, value: Option<&str>) -> LogRecord {
        let value = value.map(|value| value.as_bytes().to_vec().into());
        LogRecord { partition: 3, offset, timestamp: 0, key: None, value, headers: Headers::default() }
    }

    #[test]
    fn a_record_becomes_a_row_with_its_place() {
        let value = r#"{"type":"view","timestamp":1790000000123,"sessionId":"s","properties":{"b":"2","a":"1"},"personal":{"ipAddress":"192.0.2.1","country":"DE"}}"#;
        let Rows { rows, unreadable } = rows(&[record(7, Some(value))]);
        assert_eq!((rows.len(), unreadable), (1, 0));
        let row = &rows[0];
        assert_eq!((row.source.as_str(), row.partition, row.offset), ("activity", 3, 7));
        assert_eq!((row.event_type.as_str(), row.country.as_str(), row.session_id.as_str()), ("view", "DE", "s"));
        assert_eq!(row.ip_address.map(|address| address.to_string()).as_deref(), Some("::ffff:192.0.2.1"));
        assert_eq!(row.properties, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn what_is_no_activity_is_counted_and_has_no_row() {
        let early = r#"{"type":"view","timestamp":-1}"#;
        let records = [record(0, None), record(1, Some("{")), record(2, Some(early)), record(3, Some("7"))];
        assert_eq!(rows(&records), Rows { rows: Vec::new(), unreadable: 4 });
    }
}
