//! A batch that is tried again: what of its rows is there, and what has to be made up for.
//!
//! A server notes a token before the rows have their name, and is killed between the two now and then: the token is used up, and the rows
//! are gone. So of a batch that was begun before, its events are looked for in the table and in the statistics, each for itself, and what
//! is missing goes there alone, under further tokens. Whoever else tries the same batch uses the same ones.

use std::time::Duration;

use chrono::Utc;
use clickhouse::Row;
use clickhouse::sql::Identifier;
use read_model::analytics::rows::{EventRow, ROWS_ALONE};
use read_model::analytics::{ClickhouseError, tokens};
use serde::Deserialize;
use tracing::warn;

use crate::analytics::inserts::Insert;
use crate::analytics::write::Store;
use crate::projection::StoreFailure;

/// Older rows may go by themselves while they are looked for: they are kept for 90 days.
const YOUNG: Duration = Duration::from_secs(89 * 24 * 60 * 60);

/// Where the rows of an insert are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missing {
    rows: bool,
    statistics: bool,
}

impl Store {
    /// Sees that the rows of an insert of events are there, each once, and are counted, whatever an earlier try has left.
    ///
    /// # Errors
    /// [`StoreFailure::Halt`] if some are there and some are not, which no kill of a server leaves; else [`StoreFailure::Unavailable`].
    pub(super) async fn redo(&self, insert: &Insert<'_>, rows: &[&EventRow]) -> Result<(), StoreFailure> {
        let (table, uncounted) = (self.names.events(), self.names.uncounted());
        for (number, token) in tokens(insert.token.as_deref().unwrap_or_default()).enumerate() {
            let missing = self.missing(rows).await?;
            if missing == (Missing { rows: false, statistics: false }) {
                return Ok(());
            }
            if number == 0 {
                self.insert(insert).await?;
                continue;
            }
            warn!(
                ?missing,
                table,
                rows = rows.len(),
                "ClickHouse has a token without its rows, they are inserted anew"
            );
            if missing.rows {
                self.clickhouse.insert_commented(&table, &format!("{token}/rows"), ROWS_ALONE, rows).await?;
            }
            if missing.statistics {
                self.clickhouse.insert(&uncounted, &format!("{token}/statistics"), rows).await?;
            }
        }
        match self.missing(rows).await? {
            Missing { rows: false, statistics: false } => Ok(()),
            _ => Err(ClickhouseError::used_up(&table).into()),
        }
    }

    async fn missing(&self, rows: &[&EventRow]) -> Result<Missing, StoreFailure> {
        Ok(Missing { rows: !self.are_there(rows).await?, statistics: !self.are_counted(rows).await? })
    }

    async fn are_there(&self, rows: &[&EventRow]) -> Result<bool, StoreFailure> {
        let young = Utc::now().timestamp_millis() - YOUNG.as_millis() as i64;
        let rows: Vec<_> = rows.iter().filter(|row| row.timestamp.0 >= young).collect();
        let times = rows.iter().map(|row| row.timestamp.0);
        let (Some(earliest), Some(latest)) = (times.clone().min(), times.max()) else { return Ok(true) };
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(true) };
        #[derive(Row, Deserialize)]
        struct Count {
            rows: u64,
        }
        let query = self
            .clickhouse
            .query(
                "SELECT count() FROM ? \
                 WHERE timestamp >= fromUnixTimestamp64Milli(?) AND timestamp <= fromUnixTimestamp64Milli(?) \
                 AND source = ? AND partition = ? AND offset >= ? AND offset <= ?",
            )
            .bind(Identifier(&self.names.events()))
            .bind(earliest)
            .bind(latest)
            .bind(&first.source)
            .bind(first.partition)
            .bind(first.offset)
            .bind(last.offset);
        let found: Vec<Count> = self.clickhouse.rows(query).await?;
        let (found, expected) = (found.first().map_or(0, |count| count.rows), rows.len() as u64);
        if found == 0 || found == expected {
            return Ok(found == expected);
        }
        Err(StoreFailure::Halt(format!(
            "{found} rows are there of the {expected} between the offsets {} and {} of partition {}; rebuild the projection",
            first.offset, last.offset, first.partition
        )))
    }

    /// The statistics are made of a block at a time, hence one of them tells of all.
    async fn are_counted(&self, rows: &[&EventRow]) -> Result<bool, StoreFailure> {
        let Some(last) = rows.last() else { return Ok(true) };
        #[derive(Row, Deserialize)]
        struct Reached {
            next_offset: u64,
        }
        let query = self
            .clickhouse
            .query(
                "SELECT max(reached[?]) AS next_offset FROM ? \
                 WHERE hour = toStartOfHour(fromUnixTimestamp64Milli(?, 'UTC')) AND event_type = ? AND country = ?",
            )
            .bind(last.lane())
            .bind(Identifier(&self.names.hourly()))
            .bind(last.timestamp.0)
            .bind(&last.event_type)
            .bind(&last.country);
        let found: Vec<Reached> = self.clickhouse.rows(query).await?;
        Ok(found.first().is_some_and(|reached| reached.next_offset > last.offset))
    }
}
