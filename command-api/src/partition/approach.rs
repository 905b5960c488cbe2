//! The way to the end of the log, before the partition is claimed.
//!
//! Its former owner may serve until it reads the claim. So what stands in the log already is folded first, and the claim comes when
//! next to nothing is left to fold: nobody waits for a fold. Nothing safe rests on this: a claim may come at any time.

use std::sync::Arc;
use std::time::Duration;

use event_log::kafka::{KafkaError, KafkaLog};
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// So many records are folded within moments.
const NEAR: u64 = 256;
/// More than so many are folded in turn with other partitions. Fewer take a second at the most, and do not wait behind those.
const LONG: u64 = 10_000;
/// Long folds at a time. Each reads ahead and so takes memory, and more of them would not be quicker.
const AT_ONCE: usize = 4;
/// Whoever has read nothing for so long has lost its turn: a partition that cannot be read just now must not keep others waiting.
const STALLED: Duration = Duration::from_secs(5);

pub enum Approach {
    /// The cluster is asked where the log ends now.
    Asking(BoxFuture<'static, Result<u64, KafkaError>>),
    /// It is a long way to where the log ended when the cluster was asked, and others go first.
    Waiting { end: u64, turn: BoxFuture<'static, Turn> },
    /// The log ended here when the cluster was asked.
    Folding(u64),
}

/// What is waited for has come.
pub enum Step {
    End(Result<u64, KafkaError>),
    Turn(Turn),
}

/// The turns of long folds, of all partitions of the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

/// One of the long folds that run.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
    until: Instant,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Turns {
    /// Waits for a turn. Those that wait get theirs in the order in which they came.
    pub fn next(&self) -> BoxFuture<'static, Turn> {
        let turns = self.0.clone();
        // It is never closed.
        Box::pin(async move {
            let permit = turns.acquire_owned().await.ok();
            Turn { _permit: permit, until: Instant::now() + STALLED }
        })
    }
}

impl Turn {
    /// Something was read.
    pub fn goes_on(&mut self) {
        self.until = Instant::now() + STALLED;
    }

    /// When it is lost, if nothing is read until then.
    pub fn until(&self) -> Instant {
        self.until
    }
}

impl Approach {
    pub fn begin(log: &KafkaLog, partition: u32) -> Self {
        let log = log.clone();
        Self::Asking(Box::pin(async move { log.end_offset_now(partition).await }))
    }

    /// What to do when the cluster says where the log ends: nothing if it is time to claim.
    pub fn toward(end: u64, next_offset: u64, turns: &Turns, has_turn: bool) -> Option<Self> {
        match end.saturating_sub(next_offset) {
            ..=NEAR => None,
            left if left > LONG && !has_turn => Some(Self::Waiting { end, turn: turns.next() }),
            _ => Some(Self::Folding(end)),
        }
    }

    /// Waits for what it needs; for ever where that is only to be folded.
    pub async fn step(&mut self) -> Step {
        match self {
            Self::Asking(end) => Step::End(end.await),
            Self::Waiting { turn, .. } => Step::Turn(turn.await),
            Self::Folding(_) => std::future::pending().await,
        }
    }

    /// Whether the fold has come to where the log ended; it may have grown since.
    pub fn is_there(&self, next_offset: u64) -> bool {
        matches!(self, Self::Folding(end) if next_offset >= *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_the_end_is_claimed_at_once() {
        let turns = Turns::default();
        assert!(Approach::toward(0, 0, &turns, false).is_none());
        assert!(Approach::toward(NEAR, 0, &turns, false).is_none());
        // Told late: the fold went on meanwhile.
        assert!(Approach::toward(5, 10, &turns, false).is_none());
    }

    #[test]
    fn a_long_log_is_folded_to_where_it_ended_first() {
        let approach = Approach::toward(NEAR + 1, 0, &Turns::default(), false).expect("a long way");
        assert!(!approach.is_there(NEAR));
        assert!(approach.is_there(NEAR + 1));
    }

    #[test]
    fn a_very_long_log_waits_for_its_turn_and_a_shorter_one_does_not() {
        let turns = Turns::default();
        assert!(matches!(Approach::toward(LONG + 8, 7, &turns, false), Some(Approach::Waiting { .. })));
        assert!(matches!(Approach::toward(LONG + 8, 7, &turns, true), Some(Approach::Folding(_))));
        assert!(matches!(Approach::toward(LONG + 7, 7, &turns, false), Some(Approach::Folding(_))));
    }

    #[tokio::test]
    async fn only_so_many_have_a_turn_and_the_next_gets_that_of_the_first_who_is_done() {
        let turns = Turns::default();
        let mut running = Vec::new();
        for _ in 0..AT_ONCE {
            running.push(turns.next().await);
        }
        let mut next = turns.next();
        assert!(futures::poll!(next.as_mut()).is_pending());
        running.pop();
        assert!(futures::poll!(next.as_mut()).is_ready());
    }
}
