//! What a topic of activity must lead to, told a second time: beside [`crate::analytics::fold`], from the JSON as it stands.

use event_log::record::LogRecord;
use read_model::analytics::rows::{EventRow, Millis};
use serde_json::Value;

use crate::analytics::fold::{Analytics, count, place};

/// Adds these records, which are all that there are, to what events lead to.
pub fn add<'a>(all: &mut Analytics, records: impl IntoIterator<Item = &'a LogRecord>) {
    for record in records {
        let value = record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
        if let Some(row) = value.as_ref().and_then(|value| row(record, value)) {
            all.events.entry(place("activity", record.partition, record.offset)).or_default().push(row);
        }
    }
    all.hourly = count(all.events.values().flatten());
}

fn row(record: &LogRecord, value: &Value) -> Option<EventRow> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let personal = &value["personal"];
    let address = personal["ipAddress"].as_str().map(|address| match address.contains(':') {
        true => address.to_owned(),
        false => format!("::ffff:{address}"),
    });
    let mut properties: Vec<_> = value["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    properties.sort();
    Some(EventRow {
        timestamp: Millis(value["timestamp"].as_i64().filter(|time| *time >= 0)?),
        user_id: personal["userId"].as_str().and_then(|id| id.parse().ok()),
        event_type: value["type"].as_str()?.to_owned(),
        aggregate_id: None,
        post_id: value["postId"].as_str().and_then(|id| id.parse().ok()),
        properties,
        session_id: text(&value["sessionId"]),
        ip_address: address.and_then(|address| address.parse().ok()),
        user_agent: text(&personal["userAgent"]),
        country: text(&personal["country"]),
        region: text(&personal["region"]),
        source: "activity".to_owned(),
        partition: record.partition,
        offset: record.offset,
    })
}
