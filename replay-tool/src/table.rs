//! Tables for people.

use std::fmt::Write;

use crate::changes::{Change, Changes};
use crate::history::{Content, Entry, History};

/// How much of an event's fields a row shows, in characters.
const SHOWN: usize = 100;

/// One row for each event, in order, and a line above that says what it is.
pub fn render(history: &History) -> String {
    let rows: Vec<[String; 6]> = history.events.iter().map(row).collect();
    let title = format!(
        "{}: {} {} in partition {}\n\n",
        history.aggregate,
        history.events.len(),
        if history.events.len() == 1 { "event" } else { "events" },
        history.partition
    );
    title + &table(["VERSION", "OFFSET", "TIME", "EVENT", "ACTOR", "CHANGES"], &rows)
}

/// Columns as wide as what is in them.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let mut widths = [0; N];
    for row in std::iter::once(&head).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            // Writing to a text cannot fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(entry: &Entry) -> [String; 6] {
    let offset = entry.offset.to_string();
    match &entry.content {
        Content::Event { version, event_type, time, actor, data, .. } => {
            // What has no state of its own is shown by what it says.
            let changes = if entry.changes.is_empty() { fields(data) } else { changes(&entry.changes) };
            [version.to_string(), offset, time.clone(), event_type.clone(), actor.clone(), changes]
        }
        Content::Undecodable { error } => {
            let none = || "?".to_owned();
            [none(), offset, none(), none(), none(), format!("cannot be decoded: {error}")]
        }
    }
}

/// What became of each field, on one line.
fn changes(changes: &Changes) -> String {
    let told = |(name, Change { from, to }): (&String, &Change)| match from {
        serde_json::Value::Null => format!("{name}={}", shortened(&to.to_string())),
        _ => format!("{name}: {} → {}", shortened(&from.to_string()), shortened(&to.to_string())),
    };
    // It follows the time of the event, which stands beside it.
    let shown = changes.iter().filter(|(name, _)| *name != "updatedAt");
    shortened(&shown.map(told).collect::<Vec<_>>().join(" "))
}

/// The fields that say something, on one line.
pub fn fields(data: &serde_json::Value) -> String {
    let Some(fields) = data.as_object() else {
        return shortened(&data.to_string());
    };
    let parts: Vec<String> = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name}={}", shortened(&value.to_string())))
        .collect();
    shortened(&parts.join(" "))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn entry(offset: u64, content: Content) -> Entry {
        Entry { offset, commit: Uuid::nil(), epoch: "0/x".into(), content, changes: Changes::new() }
    }

    #[test]
    fn a_row_shows_what_an_event_says_and_why_one_cannot_be_read() {
        let event = Content::Event {
            id: Uuid::nil(),
            version: 1,
            event_type: "groot.person.PersonCreated".into(),
            time: "2026-01-02T03:04:05.678Z".into(),
            actor: "system".into(),
            command_id: Uuid::nil(),
            correlation_id: Uuid::nil(),
            data: json!({"name": "Ann", "nothing": null}),
        };
        let history = History {
            aggregate: Uuid::nil(),
            partition: 3,
            events: vec![entry(7, event), entry(12, Content::Undecodable { error: "no schema".into() })],
        };
        assert_eq!(
            render(&history),
            "00000000-0000-0000-0000-000000000000: 2 events in partition 3\n\n\
             VERSION  OFFSET  TIME                      EVENT                       ACTOR   CHANGES\n\
             1        7       2026-01-02T03:04:05.678Z  groot.person.PersonCreated  system  name=\"Ann\"\n\
             ?        12      ?                         ?                           ?       cannot be decoded: no schema\n"
        );
    }

    #[test]
    fn long_fields_are_cut_so_that_a_row_stays_a_line() {
        let line = fields(&json!({"content": "line\n".repeat(1000)}));
        assert_eq!(line.chars().count(), SHOWN);
        assert!(!line.contains('\n') && line.ends_with('…'));
    }
}
