//! The activity of one version of the tables into another one: the topic keeps activity for a week, the tables for 90 days.

use std::sync::Arc;

use clickhouse::Row;
use clickhouse::sql::Identifier;
use event_log::position::Position;
use read_model::analytics::rows::{EventRow, SOURCE_ACTIVITY};
use serde::Deserialize;

use crate::analytics::batch::Batch;
use crate::analytics::write::Store;
use crate::projection::{Changes, Saved, StoreFailure};

/// Rows that are copied at once.
const AT_ONCE: u32 = 10_000;

/// Copies what one store has counted of a partition into another one, batch by batch as if it were read from the topic, so that it may be
/// killed and begun again, and the other one goes on from where the first one was. Answers how many rows were copied.
///
/// # Errors
/// [`StoreFailure`], after which it may be tried again.
pub async fn copy(from: &Store, to: &Store, partition: u32) -> Result<u64, StoreFailure> {
    let end = match from.load(partition).await {
        // It may be why there is another version.
        Err(StoreFailure::Halt(_) | StoreFailure::Lost(_)) => end_of_rows(from, partition).await?,
        saved => saved?.position.next_offset,
    };
    let mut copied = 0;
    loop {
        let saved = to.load(partition).await?;
        let Some((rows, next_offset)) = rows(from, partition, saved, end).await? else { return Ok(copied) };
        copied += rows.len() as u64;
        let batch = Batch { events: rows, ..Batch::default() };
        to.write(partition, Changes::from(Arc::new(batch)), saved, Position { next_offset, ..Position::START }).await?;
    }
}

/// One past the last row.
async fn end_of_rows(from: &Store, partition: u32) -> Result<u64, StoreFailure> {
    #[derive(Row, Deserialize)]
    struct End {
        next_offset: u64,
    }
    let query = from
        .clickhouse
        .query("SELECT max(offset) + 1 AS next_offset FROM ? WHERE source = ? AND partition = ? HAVING count() > 0")
        .bind(Identifier(&from.names.events()))
        .bind(SOURCE_ACTIVITY)
        .bind(partition);
    let found: Vec<End> = from.clickhouse.rows(query).await?;
    Ok(found.first().map_or(0, |end| end.next_offset))
}

/// The rows that come next, and where whoever has them goes on. None at the end.
async fn rows(
    from: &Store,
    partition: u32,
    saved: Saved,
    end: u64,
) -> Result<Option<(Vec<EventRow>, u64)>, StoreFailure> {
    let begin = saved.position.next_offset;
    // A batch that was begun has the end that it had.
    let end = saved.begun.unwrap_or(end);
    if begin >= end {
        return Ok(None);
    }
    let statement = "SELECT ?fields FROM ? WHERE source = ? AND partition = ? AND offset >= ? AND offset < ? ORDER BY offset LIMIT ?";
    let query = from
        .clickhouse
        .query(statement)
        .bind(Identifier(&from.names.events()))
        .bind(SOURCE_ACTIVITY)
        .bind(partition)
        .bind(begin)
        .bind(end)
        .bind(AT_ONCE);
    let rows: Vec<EventRow> = from.clickhouse.rows(query).await?;
    let next = match rows.last() {
        Some(last) if rows.len() == AT_ONCE as usize && saved.begun.is_none() => last.offset + 1,
        _ => end,
    };
    Ok(Some((rows, next)))
}
