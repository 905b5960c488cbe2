//! Writes of different partitions that go to the store in one: those that come while others are being written wait, and all that wait are the
//! next ones.
//!
//! What a store takes for a write (a transaction with its sync to disk, a request) hardly depends on how much is written. So where there is
//! little to do each write goes at once, and where there is much a few large ones take the place of many small ones: group commit, as databases
//! do it with their logs. Only large ones run beside each other: of those each has enough to do for one that waits for the disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_log::position::Position;
use tokio::sync::{Semaphore, oneshot};

use crate::detached::{Detached, within};
use crate::projection::{Changes, Saved, StoreFailure};

/// What one partition writes, and the positions before and after it.
#[derive(Debug)]
pub struct Write<B> {
    pub partition: u32,
    pub changes: Changes<B>,
    pub from: Saved,
    pub to: Position,
}

/// A write of fewer records than this lets none run beside it: what comes meanwhile goes into one with others.
const MANY: u64 = 500;

impl<B> Write<B> {
    /// Of the log, whether they change anything or not.
    fn records(&self) -> u64 {
        self.to.next_offset.saturating_sub(self.from.position.next_offset)
    }

    /// What the store says once it is written.
    pub fn saved(&self) -> Saved {
        self.from.moved_to(self.to)
    }
}

impl<B> Clone for Write<B> {
    fn clone(&self) -> Self {
        Self { changes: self.changes.clone(), ..*self }
    }
}

/// The writes to one store. Cheap to clone.
#[derive(Debug)]
pub struct Together<B> {
    waiting: Arc<Mutex<Vec<Waiting<B>>>>,
    turns: Arc<Semaphore>,
    at_once: u32,
    detached: Detached,
}

type Waiting<B> = (Write<B>, oneshot::Sender<Result<Saved, StoreFailure>>);

impl<B> Clone for Together<B> {
    fn clone(&self) -> Self {
        Self {
            waiting: self.waiting.clone(),
            turns: self.turns.clone(),
            at_once: self.at_once,
            detached: self.detached.clone(),
        }
    }
}

impl<B: Send + Sync + 'static> Together<B> {
    /// With so many large groups under way at a time.
    pub fn new(at_once: u32) -> Self {
        let turns = Arc::new(Semaphore::new(at_once as usize));
        Self { waiting: Arc::default(), turns, at_once, detached: Detached::default() }
    }

    /// Waits until a write was carried out by `all`, which is given the others too that wait by then, and writes all of them or fails. Where
    /// one of them is why it fails, each is written by itself. It goes on if nobody waits for it any more, as [`Detached`] has it.
    ///
    /// # Errors
    /// That of this write; [`StoreFailure::Unavailable`] after `limit`.
    pub async fn write<F>(
        &self,
        store: &str,
        limit: Duration,
        write: Write<B>,
        all: impl Fn(Vec<Write<B>>) -> F + Send + Sync + 'static,
    ) -> Result<Saved, StoreFailure>
    where
        F: Future<Output = Result<(), StoreFailure>> + Send,
    {
        let (answer, answered) = oneshot::channel();
        let turns_taken = if write.records() < MANY { self.at_once } else { 1 };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((write, answer));
        let (waiting, turns) = (self.waiting.clone(), self.turns.clone());
        // As many turns are asked for as there are writes. Whoever finds that its own was taken by an earlier one has nothing to do.
        let turn = async move {
            // Never closed.
            let _turn = turns.acquire_many(turns_taken).await;
            let group = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !group.is_empty() {
                carry_out(group, all).await;
            }
        };
        self.detached.spawn(turn);
        let died = |_| Err(StoreFailure::Unavailable("the write died".to_owned()));
        within(store, limit, async { answered.await.unwrap_or_else(died) }).await
    }

    /// For what is written by itself.
    pub fn detached(&self) -> &Detached {
        &self.detached
    }
}

async fn carry_out<B, F>(group: Vec<Waiting<B>>, all: impl Fn(Vec<Write<B>>) -> F)
where
    F: Future<Output = Result<(), StoreFailure>>,
{
    let written = all(group.iter().map(|(write, _)| write.clone()).collect()).await;
    let is_of_one = matches!(written, Err(StoreFailure::Superseded | StoreFailure::Refused(_) | StoreFailure::Halt(_)));
    let is_alone = group.len() == 1;
    for (write, answer) in group {
        let written = if is_of_one && !is_alone { all(vec![write.clone()]).await } else { written.clone() };
        // Whoever waited may have gone away.
        let _ = answer.send(written.map(|()| write.saved()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn of(partition: u32) -> Write<()> {
        Write { partition, changes: Changes::from(Arc::new(())), from: Saved::NOTHING, to: Position::START }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_a_write_runs_is_written_together_after_it() {
        let together = Together::new(1);
        let groups = Arc::new(Mutex::new(Vec::new()));
        let write = |partition| {
            let groups = groups.clone();
            together.write("the store", LIMIT, of(partition), move |writes| {
                groups.lock().unwrap().push(writes.iter().map(|write| write.partition).collect::<Vec<_>>());
                async {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    Ok(())
                }
            })
        };
        let later = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::join!(write(1), write(2), write(3))
        };
        let (first, (second, third, fourth)) = tokio::join!(write(0), later);
        assert!([first, second, third, fourth].iter().all(Result::is_ok));
        assert_eq!(*groups.lock().unwrap(), [vec![0], vec![1, 2, 3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn large_writes_run_beside_each_other_and_small_ones_alone() {
        let together = Together::new(2);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let write = |partition, records| {
            let to = Position { next_offset: records, ..Position::START };
            let (running, most) = (running.clone(), most.clone());
            let write = Write { to, ..of(partition) };
            together.write("the store", LIMIT, write, move |_| {
                let (running, most) = (running.clone(), most.clone());
                async move {
                    most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    running.fetch_sub(1, Ordering::Relaxed);
                    Ok(())
                }
            })
        };
        let later = async |partition, records| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            write(partition, records).await
        };
        let small = tokio::join!(write(0, MANY - 1), later(1, MANY - 1), later(2, 1));
        assert!(small.0.is_ok() && small.1.is_ok() && small.2.is_ok());
        assert_eq!(most.swap(0, Ordering::Relaxed), 1);
        let large = tokio::join!(write(0, MANY), later(1, MANY));
        assert!(large.0.is_ok() && large.1.is_ok());
        assert_eq!(most.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn one_that_is_refused_does_not_keep_the_others() {
        let together = Together::new(1);
        let write = |partition| {
            together.write("the store", LIMIT, of(partition), |writes| async move {
                let is_refused = writes.iter().any(|write| write.partition == 1);
                if is_refused { Err(StoreFailure::Superseded) } else { Ok(()) }
            })
        };
        let (first, second, third) = tokio::join!(write(0), write(1), write(2));
        assert!(first.is_ok() && third.is_ok());
        assert_eq!(second, Err(StoreFailure::Superseded));
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_asked_once_for_all() {
        let together = Together::new(1);
        let asked = Arc::new(AtomicUsize::new(0));
        let write = |partition| {
            let asked = asked.clone();
            together.write("the store", LIMIT, of(partition), move |_| {
                asked.fetch_add(1, Ordering::Relaxed);
                async { Err(StoreFailure::Unavailable("away".to_owned())) }
            })
        };
        let (first, second) = tokio::join!(write(0), write(1));
        assert!(first.is_err() && second.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_others_are_written_when_one_who_waited_has_gone_away() {
        let together = Together::new(1);
        let written = Arc::new(AtomicUsize::new(0));
        let write = |partition| {
            let written = written.clone();
            together.write("the store", LIMIT, of(partition), move |writes| {
                written.fetch_add(writes.len(), Ordering::Relaxed);
                async { Ok(()) }
            })
        };
        let mut gone = Box::pin(write(0));
        assert!(futures::poll!(gone.as_mut()).is_pending());
        drop(gone);
        assert!(write(1).await.is_ok());
        together.detached().settled().await;
        assert_eq!(written.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_write_that_panics_is_no_success_and_the_next_one_is_tried() {
        let together = Together::new(1);
        let panics = together.write("the store", LIMIT, of(0), |_| async { panic!("broken") }).await;
        assert_eq!(panics, Err(StoreFailure::Unavailable("the write died".to_owned())));
        assert!(together.write("the store", LIMIT, of(0), |_| async { Ok(()) }).await.is_ok());
    }
}
