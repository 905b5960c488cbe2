//! Filling a version of a projection with what the log says, outside any group and as fast as the store takes it.
//!
//! It is what projectors do, by the same code, up to an end: positions are stored with what is written, so that whoever is killed here
//! goes on from there, and projectors go on from where this has come to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_log::kafka::{AssignedPartition, KafkaLog};
use event_schema::codec::Codec;
use tokio::time::Instant;

use crate::projection::Projection;
use crate::runner::Shared;
use crate::runner::partition::{MAX_EVENTS, Worker};
use crate::runner::patience::End;
use crate::runner::room::Room;
use crate::runner::status::Status;

/// How many batches a second there are at least where the rate is bounded: a large batch a second would be a jolt a second.
const BATCHES_PER_SECOND: f64 = 10.0;

/// Fills the partitions of one version.
pub struct Fill<P> {
    shared: Arc<Shared<P>>,
    pace: Pace,
}

impl<P: Projection> Fill<P> {
    /// With at most so many records of the log a second, in all partitions together.
    pub fn new(projection: P, log: &KafkaLog, codec: &Arc<Codec>, max_rate: Option<u32>, parked_limit: usize) -> Self {
        let batch_events = match max_rate {
            None => MAX_EVENTS,
            Some(rate) => (f64::from(rate) / BATCHES_PER_SECOND).clamp(1.0, MAX_EVENTS as f64) as usize,
        };
        let status = Status::new(projection.names());
        let projection = projection.filling();
        let (log, codec, room) = (log.clone(), codec.clone(), Room::new(P::UNDER_WAY_BYTES));
        let shared = Shared { projection, codec, log, status, room, batch_events, parked_limit };
        Self { shared: Arc::new(shared), pace: Pace::new(max_rate) }
    }

    /// Goes on from where the store is until all records before `end` are in it. Tells how many records more have been, again and again.
    ///
    /// # Errors
    /// Why going on would be wrong, and how to mend it.
    pub async fn partition(&self, partition: u32, end: u64, mut told: impl FnMut(u64)) -> Result<(), String> {
        let worker = Worker::new(self.shared.clone(), partition);
        let (assigned, _alone) = AssignedPartition::alone(&self.shared.log, partition);
        let mut place = worker.begin(assigned, end).await.map_err(|(end, _)| why(end))?;
        told(place.next_offset().min(end));
        while !place.is_at_end() {
            let before = place.next_offset();
            worker.step(&mut place).await.map_err(why)?;
            if let Some(why) = worker.stands_still(&place) {
                return Err(why);
            }
            let records = place.next_offset().min(end).saturating_sub(before);
            told(records);
            self.pace.keep(records).await;
        }
        Ok(())
    }

    /// Waits until no write runs any more.
    pub async fn settled(&self) {
        self.shared.projection.settled().await;
    }
}

fn why(end: End) -> String {
    match end {
        End::Halted(why) => why,
        End::Revoked => "the log was closed".to_owned(),
    }
}

/// Lets so much through a second, and no more.
struct Pace {
    per_second: Option<f64>,
    /// When what was let through will have taken the time that it may take.
    free_at: Mutex<Instant>,
}

impl Pace {
    fn new(per_second: Option<u32>) -> Self {
        Self { per_second: per_second.map(f64::from), free_at: Mutex::new(Instant::now()) }
    }

    /// Waits for as long as so much more has to take.
    async fn keep(&self, records: u64) {
        let Some(per_second) = self.per_second else { return };
        let until = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            *free_at = Instant::now().max(*free_at) + Duration::from_secs_f64(records as f64 / per_second);
            *free_at
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_by_all_together() {
        let pace = Pace::new(Some(100));
        let begin = Instant::now();
        tokio::join!(pace.keep(50), pace.keep(50), pace.keep(100));
        assert_eq!(begin.elapsed().as_secs(), 2);
        let free = Pace::new(None);
        free.keep(1_000_000).await;
        assert_eq!(begin.elapsed().as_secs(), 2);
    }
}
