//! Reading what there is, once: for inspection, for folds that are independent of any store, and for tests.

use thiserror::Error;

use super::error::KafkaError;
use super::partition_log::KafkaLog;
use super::stream::{CommitStream, Delivery};
use crate::position::Position;
use crate::reader::Halt;

#[derive(Debug, Error)]
pub enum ReadError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Halt(#[from] Halt),
    #[error("the log was closed while it was being read")]
    Closed,
}

/// Reads every partition from its first record to the end that it had when this was called, one partition after another.
/// Gives where each reader stands then.
pub async fn read_all(log: &KafkaLog, mut each: impl FnMut(u32, Delivery)) -> Result<Vec<Position>, ReadError> {
    let mut positions = Vec::new();
    for (partition, end) in (0..).zip(log.end_offsets().await?) {
        let position = read_partition(log, partition, Position::START, end, |delivery| each(partition, delivery));
        positions.push(position.await?);
    }
    Ok(positions)
}

/// Reads one partition from a position to the record before `end`, and gives where its reader stands then: before a commit
/// that is still open there.
pub async fn read_partition(
    log: &KafkaLog,
    partition: u32,
    from: Position,
    end: u64,
    mut each: impl FnMut(Delivery),
) -> Result<Position, ReadError> {
    let each = async |delivery| {
        each(delivery);
        Ok::<_, ReadError>(())
    };
    walk_partition(log, partition, from, end, each).await
}

/// The same for what takes its time with each delivery, and may fail.
pub async fn walk_partition<E: From<ReadError>>(
    log: &KafkaLog,
    partition: u32,
    from: Position,
    end: u64,
    mut each: impl AsyncFnMut(Delivery) -> Result<(), E>,
) -> Result<Position, E> {
    if end <= from.next_offset && from == Position::START {
        return Ok(from);
    }
    let mut stream = CommitStream::open(log, partition, from);
    while stream.next_offset() < end.max(from.next_offset) {
        let until = end.max(from.next_offset);
        let delivery = stream.next_until(until).await.map_err(ReadError::from)?;
        each(delivery.ok_or(ReadError::Closed)?).await?;
    }
    Ok(stream.position())
}
