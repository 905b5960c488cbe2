//! How far a projection has come, and waiting until it has come further.
//!
//! However many requests wait, one poller reads the checkpoints for all of them, and it reads only while somebody waits. A store may tell
//! by itself where a projection has come to, which is sooner than the next reading; that proves what is there, and only a reading what is not.

mod positions;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::counter;
use read_model::Checkpoint;
use service::token::PositionToken;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

pub use self::store::{Checkpoints, Moment};

use self::positions::{Positions, Verdict};
use crate::store::QUERY_LIMIT;

/// Shared by the poller of a store and all requests that read it. Cheap to clone.
pub struct Progress<S: Checkpoints>(Arc<Shared<S>>);

struct Shared<S: Checkpoints> {
    store: S,
    readings: watch::Sender<Option<Reading<S>>>,
    waiting: watch::Sender<usize>,
    /// Whether the store tells by itself where the projection comes to.
    is_told: AtomicBool,
}

/// The checkpoints as they were read once and moved on as was told since, or why they could not be read.
struct Reading<S: Checkpoints> {
    /// When the reading began: what is not there by it may be there later.
    began: Instant,
    result: Result<Arc<Positions<S::Moment>>, S::Error>,
    /// What was told while the next one was made. Nothing from before it began: that one sees whether it still holds, which it does not in a store
    /// that was lost and made anew.
    told: Positions<S::Moment>,
}

/// What waiting came to.
#[derive(Debug)]
pub enum Waited<S: Checkpoints> {
    /// All that was asked for is in the store as it is seen from this moment on.
    Reached(S::Moment),
    Behind(S::Moment),
    /// A token names a log that the projection is not made of.
    OtherLog,
    Unavailable(S::Error),
}

/// Between two readings where the store tells by itself what they would find: in case that comes late.
const TOLD_PAUSE: Duration = Duration::from_millis(100);
/// How long a reading is taken for true that nobody waits for any more, of a store that does not tell what becomes of it; and the log id in
/// position headers.
const READING_HOLDS: Duration = Duration::from_secs(5);
/// A reading is over after the limit of a query or two, the session's and the checkpoints'.
const READING_LIMIT: Duration = QUERY_LIMIT.saturating_mul(3);

impl<S: Checkpoints> Clone for Progress<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Checkpoints> Clone for Reading<S> {
    fn clone(&self) -> Self {
        Self { began: self.began, result: self.result.clone(), told: self.told.clone() }
    }
}

impl<S: Checkpoints> Progress<S> {
    pub fn new(store: S) -> Self {
        let (readings, waiting) = (watch::Sender::new(None), watch::Sender::new(0));
        Self(Arc::new(Shared { store, readings, waiting, is_told: AtomicBool::new(false) }))
    }

    /// Waits until the documents hold all that the tokens name, at most `limit` but at least for one reading.
    pub async fn wait_for(&self, tokens: &[PositionToken], limit: Duration) -> Waited<S> {
        let asked = Instant::now();
        let mut readings = self.0.readings.subscribe();
        let live = match self.0.store.live().await {
            Ok(version) => version,
            Err(error) => return Waited::Unavailable(error),
        };
        // A version only goes back in a store that was lost and made anew, so a reading may prove that it is there for as long as it holds; only
        // a new one that it is not.
        let proves = |reading: &Reading<S>| reading.proves(live, tokens);
        let holds = |reading: &Reading<S>| {
            self.0.is_told.load(Ordering::Relaxed) || asked.duration_since(reading.began) < READING_HOLDS
        };
        if let Some(Reading { result: Ok(positions), .. }) =
            readings.borrow_and_update().as_ref().filter(|reading| holds(reading) && proves(reading))
        {
            return Waited::Reached(positions.moment.clone());
        }
        let _waiting = self.count_in();
        let mut last = match next_since(&mut readings, asked, proves).await {
            Ok(positions) => positions,
            Err(error) => return Waited::Unavailable(error),
        };
        loop {
            match last.judge(tokens) {
                Verdict::Reached => return Waited::Reached(last.moment.clone()),
                Verdict::OtherLog => return Waited::OtherLog,
                Verdict::Behind => {}
            }
            last = match timeout_at(asked + limit, next_since(&mut readings, asked, proves)).await {
                Ok(Ok(positions)) => positions,
                Ok(Err(error)) => return Waited::Unavailable(error),
                Err(_) => return Waited::Behind(last.moment.clone()),
            };
        }
    }

    /// The log that the documents are made of; `None` before anything is projected or when it cannot be read.
    pub async fn log_id(&self) -> Option<u64> {
        let now = Instant::now();
        if let Some(reading) = &*self.0.readings.borrow()
            && now.duration_since(reading.began) < READING_HOLDS
        {
            return reading.result.as_ref().ok()?.log_id();
        }
        let mut readings = self.0.readings.subscribe();
        let _waiting = self.count_in();
        next_since(&mut readings, now, |_| false).await.ok()?.log_id()
    }

    /// The store tells where the projection of this version has come to in a partition, and that it is seen from this moment on.
    pub fn tell(&self, version: u32, checkpoint: Checkpoint, advance: impl FnOnce(&mut S::Moment)) {
        self.0.readings.send_if_modified(|reading| {
            let Some(Reading { result: Ok(positions), told, .. }) = reading else { return false };
            let is_of_these =
                positions.moment.version() == Some(version) && positions.log_id() == Some(checkpoint.log_id);
            if is_of_these {
                let positions = Arc::make_mut(positions);
                positions.move_to(checkpoint.clone());
                advance(&mut positions.moment);
                told.by_partition.insert(checkpoint.partition, checkpoint);
                told.moment = positions.moment.clone();
                counter!("checkpoints_told_total").increment(1);
            }
            is_of_these
        });
    }

    /// Whether the store tells by itself from now on. What was read before proves nothing any more: where the telling began or ended, the
    /// store may have been lost and made anew.
    pub fn set_told(&self, is_told: bool) {
        self.0.is_told.store(is_told, Ordering::Relaxed);
        self.0.readings.send_replace(None);
    }

    /// Returns when somebody waits.
    pub async fn awaited(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let _ = self.0.waiting.subscribe().wait_for(|count| *count > 0).await;
    }

    /// Reads the checkpoints again and again while somebody waits. Runs until cancelled.
    pub async fn poll(&self, cancel: CancellationToken) {
        let forever = async {
            loop {
                self.awaited().await;
                let since = self.0.waiting.subscribe();
                self.step().await;
                self.pause(since).await;
            }
        };
        cancel.run_until_cancelled(forever).await;
    }

    async fn step(&self) {
        let began = Instant::now();
        self.0.readings.send_if_modified(|reading| {
            if let Some(Reading { told, .. }) = reading {
                *told = Positions::default();
            }
            false
        });
        let read = self.0.store.checkpoints().await;
        let mut result = read.map(|(checkpoints, moment)| Positions::new(checkpoints, moment));
        self.0.readings.send_modify(|reading| {
            if let (Ok(read), Some(Reading { told, .. })) = (&mut result, &*reading) {
                read.keep(told);
            }
            *reading = Some(Reading { began, result: result.map(Arc::new), told: Positions::default() });
        });
    }

    /// Until the next reading. What is told needs none, but whoever came since the last one began has a right to his own.
    async fn pause(&self, mut since: watch::Receiver<usize>) {
        sleep(S::PAUSE).await;
        if self.0.is_told.load(Ordering::Relaxed) {
            let _ = timeout(TOLD_PAUSE, since.changed()).await;
        }
    }

    fn count_in(&self) -> CountedIn<'_> {
        self.0.waiting.send_modify(|count| *count += 1);
        CountedIn(&self.0.waiting)
    }
}

/// A request that waits; counted out when dropped, also when its client goes away.
struct CountedIn<'a>(&'a watch::Sender<usize>);

impl Drop for CountedIn<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl<S: Checkpoints> Reading<S> {
    /// Whether all that the tokens name is in this version.
    fn proves(&self, version: u32, tokens: &[PositionToken]) -> bool {
        self.result.as_ref().is_ok_and(|positions| {
            positions.moment.version() == Some(version) && positions.judge(tokens) == Verdict::Reached
        })
    }
}

/// The next reading that began after `asked`, or that proves what is wanted.
async fn next_since<S: Checkpoints>(
    readings: &mut watch::Receiver<Option<Reading<S>>>,
    asked: Instant,
    proves: impl Fn(&Reading<S>) -> bool,
) -> Result<Arc<Positions<S::Moment>>, S::Error> {
    let next = async {
        loop {
            // It fails only when the sender is gone, and the poller with it.
            readings.changed().await.ok()?;
            let Some(reading) = readings.borrow_and_update().clone() else { continue };
            if reading.began >= asked || proves(&reading) {
                return Some(reading);
            }
        }
    };
    match timeout(READING_LIMIT, next).await {
        Ok(Some(reading)) => reading.result,
        _ => Err(S::timed_out()),
    }
}

#[cfg(test)]
mod tests;
