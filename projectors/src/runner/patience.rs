//! What a partition does when it cannot go on: it waits for what is away, and stands still where going on would be wrong.

use std::time::Duration;

use rand::RngExt;
use read_model::Projection;
use tokio::time::Instant;

use crate::projection::{Saved, StoreFailure};
use crate::runner::meters;
use crate::runner::status::{State, Status};

pub const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How often a partition that is waiting or halted looks whether it was revoked.
const GLANCE: Duration = Duration::from_millis(200);

/// Why a partition is no longer projected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The group gives it to another instance.
    Revoked,
    /// Going on would be wrong.
    Halted(String),
}

/// Of one partition, which tells of it in the log, the metrics and `/ready`.
#[derive(Clone, Debug)]
pub struct Patience {
    projection: Projection,
    partition: u32,
    status: Status,
}

impl Patience {
    pub fn new(projection: Projection, partition: u32, status: Status) -> Self {
        Self { projection, partition, status }
    }

    /// Asks the store until there is an answer.
    pub async fn asked<T, F: Future<Output = Result<T, StoreFailure>>>(
        &self,
        ask: impl Fn() -> F,
        is_revoked: impl Fn() -> bool,
    ) -> Result<T, End> {
        let mut pause = FIRST_PAUSE;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(StoreFailure::Halt(why)) => return Err(End::Halted(why)),
                Err(failure @ StoreFailure::Lost(_)) => return Err(self.lost(failure.to_string())),
                Err(failure) => self.wait("store", failure.to_string(), &mut pause, &is_revoked).await?,
            }
        }
    }

    /// Pauses, longer each time, before something that is away is tried again.
    pub async fn wait(
        &self,
        what: &'static str,
        why: String,
        pause: &mut Duration,
        is_revoked: impl Fn() -> bool,
    ) -> Result<(), End> {
        meters::waited(self.projection, what);
        tracing::warn!(
            projection = self.projection.name,
            version = self.projection.version,
            partition = self.partition,
            pause_ms = pause.as_millis() as u64,
            error = why,
            "waiting"
        );
        self.status.set(self.partition, State::Waiting(why));
        // Jitter keeps the partitions from coming back all at once.
        let until = Instant::now() + pause.mul_f64(rand::rng().random_range(0.5..1.0));
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        sleep_until(until, is_revoked).await
    }

    /// No store goes back by itself. Whatever else it needs to be written is most likely gone as well.
    pub fn must_not_be_lost(&self, written: Saved, found: Saved) -> Result<(), End> {
        let (written, found) = (written.position.next_offset, found.reaches());
        if found >= written {
            return Ok(());
        }
        Err(self
            .lost(format!("the store had all before {written}, and has all before {found} now: what it had is lost")))
    }

    /// The end of a partition of which the store has lost what was written. Whoever follows the version takes it up anew.
    pub fn lost(&self, why: String) -> End {
        self.status.store_is_lost();
        End::Halted(why)
    }

    /// Says why nothing goes on, once.
    pub fn stand_still(&self, why: String) {
        let state = State::Halted(why.clone());
        if self.status.states().get(&self.partition) != Some(&state) {
            tracing::error!(
                projection = self.projection.name,
                version = self.projection.version,
                partition = self.partition,
                error = why,
                "halted: nothing more of this partition is projected until the cause is mended"
            );
            self.status.set(self.partition, state);
        }
    }

    /// Holds a halted partition until it is revoked, so that its state can be seen.
    pub async fn stay_halted(&self, why: String, is_revoked: impl Fn() -> bool) {
        self.stand_still(why);
        while !is_revoked() {
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// Sleeps, unless the partition is revoked.
pub async fn sleep_until(until: Instant, is_revoked: impl Fn() -> bool) -> Result<(), End> {
    while Instant::now() < until {
        if is_revoked() {
            return Err(End::Revoked);
        }
        tokio::time::sleep_until(until.min(Instant::now() + GLANCE)).await;
    }
    Ok(())
}
