//! One partition of the topic of activity: read and write, again and again.

use std::sync::Arc;

use chrono::Utc;
use event_log::kafka::{AssignedPartition, Gone, RecordStream, Records};
use event_log::position::Position;
use read_model::Projection as Names;
use tokio::time::Instant;

use crate::activity::row::{Rows, rows};
use crate::analytics::batch::Batch;
use crate::analytics::write::Store;
use crate::projection::{Changes, Saved, StoreFailure};
use crate::runner::meters::{self, Written};
use crate::runner::patience::{End, FIRST_PAUSE, Patience};
use crate::runner::status::{State, Status};

/// The bounds of a batch; the record that reaches one is still part of it.
const MAX_RECORDS: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Counts one partition for as long as it is this process's.
#[derive(Debug)]
pub struct Worker {
    store: Store,
    names: Names,
    status: Status,
    partition: u32,
    patience: Patience,
}

/// The place of a partition in the topic and in the store.
#[derive(Debug)]
struct Place {
    stream: RecordStream,
    saved: Saved,
}

impl Worker {
    pub fn new(store: Store, status: Status, partition: u32) -> Self {
        let names = store.names.activity();
        let patience = Patience::new(names, partition, status.clone());
        Self { store, names, status, partition, patience }
    }

    /// Counts until the partition is revoked. A halted partition is held until then, so that its state can be seen.
    pub async fn run(self, assigned: AssignedPartition) {
        self.status.set(self.partition, State::Loading);
        match self.load(|| assigned.is_revoked()).await {
            Ok(saved) => {
                let offset = saved.position.next_offset;
                tracing::info!(projection = self.names.name, partition = self.partition, offset, "projecting");
                self.status.written(self.partition, offset);
                let stream = assigned.read_records_from(offset).limits(MAX_RECORDS, MAX_BYTES);
                let mut place = Place { stream, saved };
                let end = loop {
                    if let Err(end) = self.step(&mut place).await {
                        break end;
                    }
                };
                if let End::Halted(why) = end {
                    self.patience.stay_halted(why, || place.stream.is_revoked()).await;
                }
            }
            Err(End::Halted(why)) => self.patience.stay_halted(why, || assigned.is_revoked()).await,
            Err(End::Revoked) => {}
        }
        self.status.forget(self.partition);
    }

    /// Waits for activity, and returns when it is in the store, or when somebody else was found to have written it.
    async fn step(&self, place: &mut Place) -> Result<(), End> {
        let delivered = match place.saved.begun {
            Some(end) => place.stream.through(end).await,
            None => place.stream.next().await,
        };
        let Records { records, next_offset, bytes } = match delivered {
            Ok(Some(records)) => records,
            Ok(None) => return Err(End::Revoked),
            Err(gone) => return self.go_on_behind(place, gone).await,
        };
        let oldest = records.first().map(|record| record.timestamp);
        self.status.read(self.partition, oldest);
        let Rows { rows, unreadable } = rows(&records);
        if unreadable > 0 {
            meters::activity_unreadable(unreadable);
            tracing::warn!(
                partition = self.partition,
                records = unreadable,
                "records that are no activity are not counted"
            );
        }
        let events = rows.len() as u64;
        let batch = Batch { events: rows, ..Batch::default() };
        let to = position(place.saved.begun.unwrap_or(next_offset));
        let begin = Instant::now();
        if self.write(place, Changes::from(Arc::new(batch)), to).await? {
            let now = Utc::now().timestamp_millis();
            let write_seconds = begin.elapsed().as_secs_f64();
            let oldest_age_seconds = oldest.map(|oldest| (now - oldest).max(0) as f64 / 1000.0);
            meters::written(self.names, Written { events, bytes, write_seconds, oldest_age_seconds });
        }
        self.status.written(self.partition, place.saved.position.next_offset);
        Ok(())
    }

    /// The topic keeps activity for a week: who was away for longer goes on with what is left, and says what is lost.
    async fn go_on_behind(&self, place: &mut Place, Gone(offset): Gone) -> Result<(), End> {
        let mut pause = FIRST_PAUSE;
        let held = loop {
            match place.stream.bounds().await {
                Ok(held) => break held,
                Err(error) => {
                    self.patience.wait("log", error.to_string(), &mut pause, || place.stream.is_revoked()).await?;
                }
            }
        };
        if offset > held.end {
            return Err(End::Halted(format!(
                "the topic of activity ends at {} and was counted to {offset}: it was made anew or cut back; give it another name \
                 (GROOT_ACTIVITY_TOPIC), under which it is counted from its beginning",
                held.end
            )));
        }
        if offset >= held.start {
            let why =
                format!("the record at {offset} cannot be read, though the topic holds {} to {}", held.start, held.end);
            self.patience.wait("log", why, &mut pause, || place.stream.is_revoked()).await?;
        }
        let lost = held.start.saturating_sub(offset);
        // Who begins at the beginning has missed nothing that was his to count.
        if lost > 0 && place.saved != Saved::NOTHING {
            meters::activity_expired(lost);
            tracing::error!(
                partition = self.partition,
                offset,
                records = lost,
                "activity has expired before it was counted"
            );
        }
        place.stream.skip_to(held.start.max(offset));
        Ok(())
    }

    /// Whether it was written. Else reading goes on from where the store is.
    async fn write(&self, place: &mut Place, changes: Changes<Batch>, to: Position) -> Result<bool, End> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.store.write(self.partition, changes.clone(), place.saved, to).await {
                Ok(saved) => {
                    place.saved = saved;
                    return Ok(true);
                }
                Err(StoreFailure::Superseded) => {
                    meters::superseded(self.names);
                    let why = "another one counts this partition as well".to_owned();
                    self.patience.wait("store", why, &mut pause, || place.stream.is_revoked()).await?;
                    let saved = self.load(|| place.stream.is_revoked()).await?;
                    self.patience.must_not_be_lost(place.saved, saved)?;
                    place.saved = saved;
                    place.stream.rewind(place.saved.position.next_offset);
                    return Ok(false);
                }
                Err(StoreFailure::Unavailable(why)) => {
                    self.patience.wait("store", why, &mut pause, || place.stream.is_revoked()).await?;
                }
                Err(failure @ StoreFailure::Lost(_)) => return Err(self.patience.lost(failure.to_string())),
                Err(failure @ (StoreFailure::Halt(_) | StoreFailure::Refused(_))) => {
                    return Err(End::Halted(failure.to_string()));
                }
            }
        }
    }

    async fn load(&self, is_revoked: impl Fn() -> bool) -> Result<Saved, End> {
        self.patience.asked(|| self.store.load(self.partition), is_revoked).await
    }
}

/// There are no epochs here, and no commits.
fn position(next_offset: u64) -> Position {
    Position { next_offset, ..Position::START }
}
