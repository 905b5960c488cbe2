//! One partition: read, decode, project, write, again and again.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use event_log::kafka::{AssignedPartition, CommitStream, Delivery};
use event_log::position::Position;
use rand::RngExt;
use tokio::time::Instant;

use crate::event::LoggedEvent;
use crate::projection::{Projection, Saved, StoreFailure};
use crate::runner::meters::{self, Written};
use crate::runner::status::State;
use crate::runner::{Shared, decode};

/// The bounds of a batch; the commit that reaches one is still part of it.
const MAX_EVENTS: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How often a partition that is waiting or halted looks whether it was revoked.
const GLANCE: Duration = Duration::from_millis(200);

/// Projects one partition for as long as it is this process's.
#[derive(Debug)]
pub struct Worker<P> {
    shared: Arc<Shared<P>>,
    partition: u32,
}

/// Why a partition is no longer projected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The group gives it to another instance.
    Revoked,
    /// Going on would be wrong.
    Halted(String),
}

/// The place of a partition in the log and in the store.
#[derive(Debug)]
pub struct Place {
    stream: CommitStream,
    saved: Saved,
}

impl<P: Projection> Worker<P> {
    pub fn new(shared: Arc<Shared<P>>, partition: u32) -> Self {
        Self { shared, partition }
    }

    /// Projects until the partition is revoked. A halted partition is held until then, so that its state can be seen.
    pub async fn run(self, assigned: AssignedPartition) {
        let status = &self.shared.status;
        status.set(self.partition, State::Loading);
        if let Ok(mut place) = self.begin(assigned).await {
            tracing::info!(
                projection = self.name(),
                partition = self.partition,
                offset = place.saved.position.next_offset,
                "projecting"
            );
            let end = loop {
                if let Err(end) = self.step(&mut place).await {
                    break end;
                }
            };
            if let End::Halted(why) = end {
                self.stay_halted(why, || place.stream.is_revoked()).await;
            }
        }
        status.forget(self.partition);
    }

    /// Asks the store where it is and starts to read there. Waits for a store that is away.
    ///
    /// # Errors
    /// [`End`], once the partition was revoked.
    pub async fn begin(&self, assigned: AssignedPartition) -> Result<Place, End> {
        let loaded = self.load(|| assigned.is_revoked()).await;
        match loaded {
            Ok(saved) => {
                self.shared.status.written(self.partition, saved.position.next_offset);
                let stream = assigned.read_from(saved.position).limits(MAX_EVENTS, MAX_BYTES);
                Ok(Place { stream, saved })
            }
            Err(End::Halted(why)) => {
                self.stay_halted(why.clone(), || assigned.is_revoked()).await;
                Err(End::Halted(why))
            }
            Err(End::Revoked) => Err(End::Revoked),
        }
    }

    /// Waits for events, and returns when they are in the store, or when somebody else was found to have written them.
    pub async fn step(&self, place: &mut Place) -> Result<(), End> {
        let delivery = match place.stream.next().await {
            Ok(Some(delivery)) => delivery,
            Ok(None) => return Err(End::Revoked),
            Err(halt) => return Err(End::Halted(halt.to_string())),
        };
        let oldest = oldest(&delivery);
        self.shared.status.read(self.partition, oldest);
        let events = self.decode(place, &delivery).await?;
        let count = events.len() as u64;
        let batch = Arc::new(self.project(events).await?);
        let begin = Instant::now();
        if self.write(place, batch, delivery.position).await? {
            let now = Utc::now().timestamp_millis();
            meters::written(
                self.name(),
                Written {
                    events: count,
                    bytes: delivery.bytes,
                    write_seconds: begin.elapsed().as_secs_f64(),
                    oldest_age_seconds: oldest.map(|oldest| (now - oldest).max(0) as f64 / 1000.0),
                },
            );
        }
        self.shared.status.written(self.partition, place.saved.position.next_offset);
        Ok(())
    }

    async fn decode(&self, place: &Place, delivery: &Delivery) -> Result<Vec<LoggedEvent>, End> {
        let mut pause = FIRST_PAUSE;
        loop {
            match decode::events(&self.shared.codec, &delivery.commits).await {
                Ok(events) => return Ok(events),
                Err(error) if error.is_retryable() => {
                    self.wait("registry", error.to_string(), &mut pause, || place.stream.is_revoked()).await?;
                }
                Err(error) => return Err(End::Halted(error.to_string())),
            }
        }
    }

    /// Rendering takes its time, so it does not hold up the other tasks; and a panic over one event halts one partition.
    async fn project(&self, events: Vec<LoggedEvent>) -> Result<P::Batch, End> {
        let first = events.first().map_or(0, |event| event.offset);
        let shared = self.shared.clone();
        let project = move || shared.projection.project(&events);
        match tokio::task::spawn_blocking(project).await {
            Ok(Ok(batch)) => Ok(batch),
            Ok(Err(unprojectable)) => Err(End::Halted(unprojectable.to_string())),
            Err(died) if died.is_panic() => {
                Err(End::Halted(format!("projecting the batch at offset {first} panicked; the log has the details")))
            }
            Err(_) => Err(End::Revoked),
        }
    }

    /// Whether the batch was written; else somebody else did, and reading goes on from where they are.
    async fn write(&self, place: &mut Place, batch: Arc<P::Batch>, to: Position) -> Result<bool, End> {
        let mut pause = FIRST_PAUSE;
        loop {
            let write = self.shared.projection.write(self.partition, batch.clone(), place.saved, to);
            match write.await {
                Ok(saved) => {
                    place.saved = saved;
                    return Ok(true);
                }
                Err(StoreFailure::Superseded) => {
                    meters::superseded(self.name());
                    place.saved = self.load(|| place.stream.is_revoked()).await?;
                    tracing::warn!(
                        projection = self.name(),
                        partition = self.partition,
                        offset = place.saved.position.next_offset,
                        "the checkpoint had moved already: going on from there"
                    );
                    place.stream.rewind(place.saved.position);
                    return Ok(false);
                }
                Err(StoreFailure::Halt(why)) => return Err(End::Halted(why)),
                Err(StoreFailure::Unavailable(why)) => {
                    self.wait("store", why, &mut pause, || place.stream.is_revoked()).await?;
                }
            }
        }
    }

    async fn load(&self, is_revoked: impl Fn() -> bool) -> Result<Saved, End> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.shared.projection.load(self.partition).await {
                Ok(saved) => return Ok(saved),
                Err(StoreFailure::Halt(why)) => return Err(End::Halted(why)),
                Err(failure) => {
                    self.wait("store", failure.to_string(), &mut pause, &is_revoked).await?;
                }
            }
        }
    }

    /// Pauses, longer each time, before something that is away is tried again.
    async fn wait(
        &self,
        what: &'static str,
        why: String,
        pause: &mut Duration,
        is_revoked: impl Fn() -> bool,
    ) -> Result<(), End> {
        meters::waited(self.name(), what);
        tracing::warn!(
            projection = self.name(),
            partition = self.partition,
            pause_ms = pause.as_millis() as u64,
            error = why,
            "waiting"
        );
        self.shared.status.set(self.partition, State::Waiting(why));
        // Jitter keeps the partitions from coming back all at once.
        let until = Instant::now() + pause.mul_f64(rand::rng().random_range(0.5..1.0));
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        while Instant::now() < until {
            if is_revoked() {
                return Err(End::Revoked);
            }
            tokio::time::sleep_until(until.min(Instant::now() + GLANCE)).await;
        }
        Ok(())
    }

    async fn stay_halted(&self, why: String, is_revoked: impl Fn() -> bool) {
        tracing::error!(
            projection = self.name(),
            partition = self.partition,
            error = why,
            "halted: nothing more of this partition is projected until the cause is mended"
        );
        self.shared.status.set(self.partition, State::Halted(why));
        while !is_revoked() {
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn name(&self) -> &'static str {
        self.shared.projection.name()
    }
}

fn oldest(delivery: &Delivery) -> Option<i64> {
    Some(delivery.commits.first()?.records.first()?.timestamp)
}
