use std::pin::pin;
use std::sync::atomic::AtomicU32;

use chrono::DateTime;
use read_model::DOCUMENTS;

use super::*;
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

pub fn at(partition: u32, next_offset: i64) -> Checkpoint {
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

pub fn token(partition: u32, offset: u64) -> PositionToken {
    PositionToken { log_id: LOG, partition, offset }
}

pub fn positions(checkpoints: &[Checkpoint]) -> Positions<Option<u32>> {
    Positions::new(checkpoints.to_vec(), Some(1))
}

fn publish(progress: &Progress<Live>, result: Result<Positions<Option<u32>>, StoreError>) {
    let reading = Reading { began: Instant::now(), result: result.map(Arc::new), told: Positions::default() };
    progress.0.readings.send_replace(Some(reading));
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
