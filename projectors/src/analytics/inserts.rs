//! Which rows are inserted together, and the token of each insert.
//!
//! Of inserts into one table with one token ClickHouse takes the first, so a token must stand for the same rows whenever it is used.
//! A batch that was begun is redone with the bounds that it had, hence its token is made of them. Which dead letters are retried together
//! varies, hence the row of each has a token of its own. A fact that comes again changes nothing, and needs none.

use std::collections::BTreeMap;

use chrono::Datelike;
use read_model::analytics::AnalyticsNames;
use read_model::analytics::rows::{AuthorRow, EventRow, PostRow, ResponseRow};

use crate::analytics::batch::Batch;

/// What the rows of a batch are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// All that stands between two offsets, the second one excluded.
    Range { from: u64, to: u64 },
    /// Dead letters.
    Letters,
}

/// Rows that go into one table as one block.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert<'a> {
    pub table: String,
    /// None for what may come again.
    pub token: Option<String>,
    pub rows: Rows<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Rows<'a> {
    Events(Vec<&'a EventRow>),
    Posts(&'a [PostRow]),
    Authors(&'a [AuthorRow]),
    Responses(&'a [ResponseRow]),
}

/// The inserts that a batch needs. Those of events come last: whoever counts an event finds the facts that it is joined with.
///
/// `place` tells log and partition from all others.
pub fn inserts<'a>(names: AnalyticsNames, place: &str, span: Span, batch: &'a Batch) -> Vec<Insert<'a>> {
    let mut inserts = Vec::new();
    let mut facts = |table: String, rows: Rows<'a>| {
        if !rows.is_empty() {
            inserts.push(Insert { table, token: None, rows });
        }
    };
    facts(names.authors(), Rows::Authors(&batch.authors));
    facts(names.posts(), Rows::Posts(&batch.posts));
    facts(names.responses(), Rows::Responses(&batch.responses));
    let table = names.events();
    match span {
        Span::Range { from, to } => {
            for (month, rows) in by_month(&batch.events) {
                let token = Some(format!("{place}/{from}-{to}/{table}/{month}"));
                inserts.push(Insert { table: table.clone(), token, rows: Rows::Events(rows) });
            }
        }
        Span::Letters => {
            for row in &batch.events {
                let token = Some(format!("{place}/letter {}/{table}", row.offset));
                inserts.push(Insert { table: table.clone(), token, rows: Rows::Events(vec![row]) });
            }
        }
    }
    inserts
}

/// A table has a part for each month, and a block that touched two would be two.
fn by_month(rows: &[EventRow]) -> BTreeMap<String, Vec<&EventRow>> {
    let mut months = BTreeMap::<String, Vec<&EventRow>>::new();
    for row in rows {
        let time = row.timestamp.to_time().unwrap_or_default();
        months.entry(format!("{:04}{:02}", time.year(), time.month())).or_default().push(row);
    }
    months
}

impl Rows<'_> {
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Events(rows) => rows.is_empty(),
            Self::Posts(rows) => rows.is_empty(),
            Self::Authors(rows) => rows.is_empty(),
            Self::Responses(rows) => rows.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use read_model::ANALYTICS;
    use read_model::analytics::rows::{Millis, SOURCE_EVENTS};

    fn row(offset: u64, at: &str) -> EventRow {
        let at: chrono::DateTime<chrono::Utc> = at.parse().unwrap();
        EventRow {
            timestamp: Millis::from(at),
            user_id: None,
            event_type: "x".into(),
            aggregate_id: None,
            post_id: None,
            properties: Vec::new(),
            session_id: String::new(),
            ip_address: None,
            user_agent: String::new(),
            country: String::new(),
            region: String::new(),
            source: SOURCE_EVENTS.into(),
            partition: 0,
            offset,
        }
    }

    fn tokens(span: Span, batch: &Batch) -> Vec<String> {
        let inserts = inserts(AnalyticsNames::of(ANALYTICS), "log/7", span, batch);
        inserts.into_iter().filter_map(|insert| insert.token).collect()
    }

    #[test]
    fn a_batch_that_touches_two_months_has_an_insert_for_each() {
        let events =
            vec![row(5, "2026-10-31T23:59:59.999Z"), row(6, "2026-11-01T00:00:00Z"), row(7, "2026-10-31T23:00:00Z")];
        let batch = Batch { events, posts: vec![PostRow::default()], ..Batch::default() };
        assert_eq!(
            tokens(Span::Range { from: 5, to: 8 }, &batch),
            ["log/7/5-8/events_analytics_v1/202610", "log/7/5-8/events_analytics_v1/202611"]
        );
    }

    #[test]
    fn the_row_of_a_dead_letter_has_the_same_token_whichever_it_is_retried_with() {
        let at = "2026-10-31T23:59:59.999Z";
        let both = Batch { events: vec![row(5, at), row(9, at)], ..Batch::default() };
        let one = Batch { events: vec![row(9, at)], ..Batch::default() };
        let both = tokens(Span::Letters, &both);
        let one = tokens(Span::Letters, &one);
        assert_eq!((both.len(), &both[1]), (2, &one[0]));
    }
}
