//! How far a projection has come, and waiting until it has come further.
//!
//! However many requests wait, one poller reads the checkpoints for all of them, and it reads only while somebody waits. A store may tell
//! by itself where a projection has come to, which is sooner than the next reading; that proves what is there, and only a reading what is not.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::counter;
use read_model::Checkpoint;
use service::problem::Problem;
use service::token::PositionToken;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::store::QUERY_LIMIT;

/// A store that says how far the projection in it has come.
pub trait Checkpoints: Clone + Send + Sync + 'static {
    /// What a read has to be told, to see all that was visible when the checkpoints were read.
    type Moment: Moment;
    type Error: Clone + Debug + Into<Problem> + Send + Sync;

    /// Between two readings while somebody waits. A reading costs the store something that it then lacks for getting there.
    const PAUSE: Duration;

    /// Which version of the projection readers read.
    fn live(&self) -> impl Future<Output = Result<u32, Self::Error>> + Send;

    /// Which version a read of a moment reads: that of the moment, or the live one where nothing was waited for.
    fn version_at(&self, moment: &Self::Moment) -> impl Future<Output = Result<u32, Self::Error>> + Send {
        async move {
            match moment.version() {
                Some(version) => Ok(version),
                None => self.live().await,
            }
        }
    }

    /// Of the version that is live. What the checkpoints cover is visible to reads from the moment on.
    fn checkpoints(&self) -> impl Future<Output = Result<(Vec<Checkpoint>, Self::Moment), Self::Error>> + Send;

    /// There is no answer.
    fn timed_out() -> Self::Error;
}

/// A point in a store's time, of the version that was live then.
pub trait Moment: Clone + Debug + Default + Send + Sync {
    /// None where nothing was read yet.
    fn version(&self) -> Option<u32>;

    /// This moment, or the other one of the same version if that is later.
    fn or_later(self, other: &Self) -> Self;
}

/// Of a store in which what is written is seen at once.
impl Moment for Option<u32> {
    fn version(&self) -> Option<u32> {
        *self
    }

    fn or_later(self, _: &Self) -> Self {
        self
    }
}

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

/// Where the projection stood in each partition, and the store's time then.
#[derive(Clone, Debug, Default)]
struct Positions<M> {
    by_partition: BTreeMap<u32, Checkpoint>,
    moment: M,
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

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Reached,
    Behind,
    OtherLog,
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

impl<M: Moment> Positions<M> {
    fn new(checkpoints: Vec<Checkpoint>, moment: M) -> Self {
        let by_partition = checkpoints.into_iter().map(|checkpoint| (checkpoint.partition, checkpoint)).collect();
        Self { by_partition, moment }
    }

    fn log_id(&self) -> Option<u64> {
        self.by_partition.values().next().map(|checkpoint| checkpoint.log_id)
    }

    /// A checkpoint goes no way back.
    fn move_to(&mut self, checkpoint: Checkpoint) {
        let is_further = |known: &Checkpoint| known.next_offset >= checkpoint.next_offset;
        if !self.by_partition.get(&checkpoint.partition).is_some_and(is_further) {
            self.by_partition.insert(checkpoint.partition, checkpoint);
        }
    }

    /// What was told may be further than what was read while it was told.
    fn keep(&mut self, told: &Self) {
        if self.moment.version() == told.moment.version() && self.log_id() == told.log_id() {
            told.by_partition.values().cloned().for_each(|checkpoint| self.move_to(checkpoint));
            self.moment = std::mem::take(&mut self.moment).or_later(&told.moment);
        }
    }

    /// As long as nothing is projected the log is not known, and every token is ahead.
    fn judge(&self, tokens: &[PositionToken]) -> Verdict {
        let Some(log_id) = self.log_id() else {
            return Verdict::Behind;
        };
        if tokens.iter().any(|token| token.log_id != log_id) {
            return Verdict::OtherLog;
        }
        let covers = |token: &PositionToken| {
            self.by_partition.get(&token.partition).is_some_and(|checkpoint| checkpoint.covers(token.offset))
        };
        if tokens.iter().all(covers) { Verdict::Reached } else { Verdict::Behind }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use chrono::DateTime;
    use read_model::DOCUMENTS;
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::store::StoreError;

    /// A store that says which version is live; what is read of it is published by the tests.
    #[derive(Clone, Debug)]
    struct Live(Arc<AtomicU32>);

    /// A store that counts how often it is read, and never comes further.
    #[derive(Clone, Debug, Default)]
    struct Counting(Arc<AtomicU32>);

    impl Checkpoints for Counting {
        type Moment = Option<u32>;
        type Error = StoreError;

        const PAUSE: Duration = Duration::from_millis(10);

        async fn live(&self) -> Result<u32, StoreError> {
            Ok(1)
        }

        async fn checkpoints(&self) -> Result<(Vec<Checkpoint>, Option<u32>), StoreError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok((vec![at(0, 5)], Some(1)))
        }

        fn timed_out() -> StoreError {
            StoreError::TimedOut
        }
    }

    impl Checkpoints for Live {
        type Moment = Option<u32>;
        type Error = StoreError;

        const PAUSE: Duration = Duration::ZERO;

        async fn live(&self) -> Result<u32, StoreError> {
            Ok(self.0.load(Ordering::Relaxed))
        }

        async fn checkpoints(&self) -> Result<(Vec<Checkpoint>, Option<u32>), StoreError> {
            std::future::pending().await
        }

        fn timed_out() -> StoreError {
            StoreError::TimedOut
        }
    }

    fn progress() -> Progress<Live> {
        Progress::new(Live(Arc::new(AtomicU32::new(1))))
    }

    const LOG: u64 = u64::MAX - 1;

    fn at(partition: u32, next_offset: i64) -> Checkpoint {
        Checkpoint {
            id: DOCUMENTS.checkpoint_id(partition),
            log_id: LOG,
            partition,
            next_offset,
            epoch_offset: None,
            nonce: None,
            next_seq: 0,
            last_record_id: None,
            updated_at: DateTime::UNIX_EPOCH,
            rev: 1,
        }
    }

    fn token(partition: u32, offset: u64) -> PositionToken {
        PositionToken { log_id: LOG, partition, offset }
    }

    fn positions(checkpoints: &[Checkpoint]) -> Positions<Option<u32>> {
        Positions::new(checkpoints.to_vec(), Some(1))
    }

    fn publish(progress: &Progress<Live>, result: Result<Positions<Option<u32>>, StoreError>) {
        let reading = Reading { began: Instant::now(), result: result.map(Arc::new), told: Positions::default() };
        progress.0.readings.send_replace(Some(reading));
    }

    #[test]
    fn every_token_must_lie_below_the_checkpoint_of_its_partition() {
        let positions = positions(&[at(0, 5), at(1, 9)]);
        assert_eq!(positions.judge(&[token(0, 4), token(1, 8)]), Verdict::Reached);
        assert_eq!(positions.judge(&[token(0, 5), token(1, 8)]), Verdict::Behind);
        assert_eq!(positions.judge(&[token(2, 0)]), Verdict::Behind);
    }

    #[test]
    fn a_token_of_another_log_is_told_apart_unless_nothing_is_projected() {
        let other = PositionToken { log_id: 1, ..token(0, 0) };
        assert_eq!(positions(&[at(0, 5)]).judge(&[token(0, 4), other]), Verdict::OtherLog);
        assert_eq!(positions(&[]).judge(&[other]), Verdict::Behind);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_by_the_reading_that_gets_there() {
        let progress = progress();
        let asking = progress.clone();
        let waiting = tokio::spawn(async move { asking.wait_for(&[token(0, 5)], Duration::from_secs(2)).await });
        progress.0.waiting.subscribe().wait_for(|count| *count == 1).await.unwrap();
        publish(&progress, Ok(positions(&[at(0, 5)])));
        tokio::task::yield_now().await;
        publish(&progress, Ok(positions(&[at(0, 6)])));
        assert!(matches!(waiting.await.unwrap(), Waited::Reached(_)));
        assert_eq!(*progress.0.waiting.borrow(), 0, "nobody waits any more, so nobody polls");
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_reading_proved_needs_no_new_one() {
        let progress = progress();
        publish(&progress, Ok(positions(&[at(0, 6)])));
        assert!(matches!(progress.wait_for(&[token(0, 5)], Duration::ZERO).await, Waited::Reached(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_of_long_ago_proves_nothing_of_a_store_that_tells_nothing() {
        let progress = progress();
        publish(&progress, Ok(positions(&[at(0, 5)])));
        let still = async |progress: &Progress<Live>| {
            let tokens = [token(0, 4)];
            timeout(Duration::from_millis(1), progress.wait_for(&tokens, Duration::from_secs(1))).await.is_ok()
        };
        assert!(still(&progress).await);
        tokio::time::advance(READING_HOLDS).await;
        assert!(!still(&progress).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_before_the_store_began_to_tell_or_ceased_proves_nothing() {
        for is_told in [true, false] {
            let progress = progress();
            publish(&progress, Ok(positions(&[at(0, 5)])));
            progress.set_told(is_told);
            let tokens = [token(0, 4)];
            let mut waiting = pin!(progress.wait_for(&tokens, Duration::from_secs(1)));
            let emptied = async {
                progress.awaited().await;
                publish(&progress, Ok(positions(&[at(0, 1)])));
            };
            let waited = tokio::select! {
                waited = &mut waiting => waited,
                () = emptied => waiting.await,
            };
            assert!(matches!(waited, Waited::Behind(_)), "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_store_tells_is_enough_for_who_waits_and_who_comes_later() {
        let progress = progress();
        let wait = || {
            let asking = progress.clone();
            tokio::spawn(async move { asking.wait_for(&[token(0, 5)], Duration::from_secs(2)).await })
        };
        publish(&progress, Ok(positions(&[at(0, 5)])));
        tokio::time::advance(Duration::from_millis(1)).await;
        let waiting = wait();
        progress.awaited().await;
        progress.tell(1, at(0, 6), |_| {});
        assert!(matches!(waiting.await.unwrap(), Waited::Reached(_)));
        assert!(matches!(wait().await.unwrap(), Waited::Reached(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_of_another_version_or_another_log_proves_nothing() {
        let progress = progress();
        publish(&progress, Ok(positions(&[at(0, 5)])));
        progress.tell(2, at(0, 6), |_| {});
        progress.tell(1, Checkpoint { log_id: 1, ..at(0, 6) }, |_| {});
        let asking = progress.clone();
        let waiting = tokio::spawn(async move { asking.wait_for(&[token(0, 5)], Duration::ZERO).await });
        progress.awaited().await;
        publish(&progress, Ok(positions(&[at(0, 5)])));
        assert!(matches!(waiting.await.unwrap(), Waited::Behind(Some(1))));
    }

    #[test]
    fn a_reading_takes_nothing_back_that_was_told_while_it_was_made() {
        let mut read = positions(&[at(0, 5), at(1, 9)]);
        read.keep(&positions(&[at(0, 6), at(1, 8), at(2, 1)]));
        assert_eq!(read.judge(&[token(0, 5), token(1, 8), token(2, 0)]), Verdict::Reached);
        assert_eq!(read.judge(&[token(0, 6)]), Verdict::Behind);
        let mut other = Positions::new(vec![at(0, 5)], Some(2));
        other.keep(&positions(&[at(0, 6)]));
        assert_eq!(
            other.judge(&[token(0, 5)]),
            Verdict::Behind,
            "a version that is made anew begins from its own reading"
        );
    }

    /// A database that was lost is filled again in the same version, and query-api runs on.
    #[tokio::test]
    async fn what_was_told_before_a_reading_began_does_not_outlive_it() {
        let progress = Progress::new(Counting::default());
        progress.step().await;
        progress.tell(1, at(0, 9), |_| {});
        let proves = || progress.0.readings.borrow().as_ref().unwrap().proves(1, &[token(0, 8)]);
        assert!(proves());
        progress.step().await;
        assert!(!proves(), "the store itself says that it is not there");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_tells_by_itself_is_read_seldom_and_for_everyone_who_comes() {
        let store = Counting::default();
        let progress = Progress::new(store.clone());
        let cancel = CancellationToken::new();
        let (polled, stop) = (progress.clone(), cancel.clone());
        let polling = tokio::spawn(async move { polled.poll(stop).await });
        let readings_within_a_second = async || {
            let before = store.0.load(Ordering::Relaxed);
            let waited = progress.wait_for(&[token(0, 5)], Duration::from_secs(1)).await;
            assert!(matches!(waited, Waited::Behind(_)));
            store.0.load(Ordering::Relaxed) - before
        };
        let asked = readings_within_a_second().await;
        progress.set_told(true);
        let told = readings_within_a_second().await;
        assert!(asked > 50 && told < 15, "{asked} readings where it tells nothing, {told} where it does");

        let wanted = [token(0, 5)];
        let long = progress.wait_for(&wanted, Duration::from_secs(1));
        let short = async {
            tokio::time::sleep(TOLD_PAUSE.mul_f64(0.5)).await;
            let asked = Instant::now();
            assert!(matches!(progress.wait_for(&wanted, Duration::ZERO).await, Waited::Behind(_)));
            asked.elapsed()
        };
        let (_, took) = tokio::join!(long, short);
        assert!(took < TOLD_PAUSE.mul_f64(0.25), "who comes waits for a reading, not for the pause to end: {took:?}");
        cancel.cancel();
        polling.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_reading_of_another_version_proved_holds_no_longer() {
        let progress = progress();
        publish(&progress, Ok(positions(&[at(0, 6)])));
        progress.0.store.0.store(2, Ordering::Relaxed);
        let asking = progress.clone();
        let waiting = tokio::spawn(async move { asking.wait_for(&[token(0, 5)], Duration::ZERO).await });
        progress.0.waiting.subscribe().wait_for(|count| *count == 1).await.unwrap();
        publish(&progress, Ok(Positions::new(vec![at(0, 3)], Some(2))));
        assert!(matches!(waiting.await.unwrap(), Waited::Behind(Some(2))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_from_before_the_question_never_says_no() {
        let progress = progress();
        publish(&progress, Err(StoreError::TimedOut));
        tokio::time::advance(Duration::from_millis(1)).await;
        let asking = progress.clone();
        let waiting = tokio::spawn(async move { asking.wait_for(&[token(0, 5)], Duration::ZERO).await });
        progress.0.waiting.subscribe().wait_for(|count| *count == 1).await.unwrap();
        publish(&progress, Ok(positions(&[at(0, 6)])));
        assert!(matches!(waiting.await.unwrap(), Waited::Reached(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn behind_is_said_when_the_time_is_over_and_unavailable_at_once() {
        let progress = progress();
        let ask = |limit| {
            let asking = progress.clone();
            tokio::spawn(async move { asking.wait_for(&[token(0, 5)], limit).await })
        };
        let waiting = ask(Duration::from_secs(2));
        progress.0.waiting.subscribe().wait_for(|count| *count == 1).await.unwrap();
        publish(&progress, Ok(positions(&[at(0, 5)])));
        assert!(matches!(waiting.await.unwrap(), Waited::Behind(_)));

        let waiting = ask(Duration::from_secs(10));
        progress.0.waiting.subscribe().wait_for(|count| *count == 1).await.unwrap();
        publish(&progress, Err(StoreError::TimedOut));
        assert!(matches!(waiting.await.unwrap(), Waited::Unavailable(_)));
    }
}
