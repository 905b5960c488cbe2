//! What a fill writes ahead of its transaction: wherever it is killed and whoever goes on, with whatever bounds, the store ends as the log says.

use std::sync::Arc;

use projectors::documents::batch::Batch;
use projectors::event::LoggedEvent;
use projectors::projection::{Saved, StoreFailure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::store::{LOG, position};
use super::world::Db;
use crate::ledger::histories::{Story, placed};
use crate::ledger::soon;

/// Fills on with the events from where the store is to `end`.
async fn fill(db: &Db, events: &[LoggedEvent], end: usize) -> Result<Saved, StoreFailure> {
    let from = db.store(LOG).load(0).await.unwrap();
    fill_from(db, events, from, end).await
}

async fn fill_from(db: &Db, events: &[LoggedEvent], from: Saved, end: usize) -> Result<Saved, StoreFailure> {
    let begin = from.position.next_offset as usize;
    let batch = Arc::new(Batch::of(&events[begin..end]).unwrap());
    let attempts = async {
        loop {
            match db.store(LOG).filling().write(0, batch.clone(), from, position(end as u64)).await {
                // A busy server may give up a transaction. That it was committed all the same cannot be told apart here.
                Err(StoreFailure::Unavailable(_)) => {}
                result => return result,
            }
        }
    };
    soon("the batch to be written", attempts).await
}

/// As if killed before its transaction: one whose checkpoint is not what the store has writes what is new and no more.
async fn killed(db: &Db, events: &[LoggedEvent], end: usize) {
    let from = db.store(LOG).load(0).await.unwrap();
    let elsewhere = Saved { revision: from.revision + 1_000, ..from };
    assert_eq!(fill_from(db, events, elsewhere, end).await, Err(StoreFailure::Superseded));
    assert_eq!(db.store(LOG).load(0).await.unwrap(), from);
}

#[tokio::test]
async fn what_a_killed_fill_has_left_is_there_once_in_the_end_however_the_next_batches_are_cut() {
    let db = Db::new().await;
    let (mut left, mut redone) = (0, 0);
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(seed);
        db.forget_everything().await;
        let events = placed(Story::new(seed, 8).take(250), 0);
        let mut done = 0;
        while done < events.len() {
            let mut end = || (done + rng.random_range(1..=60)).min(events.len());
            let (killed_at, end, is_killed) = (end(), end(), rng.random_bool(0.6));
            if is_killed {
                let before = db.documents().await.history.len();
                killed(&db, &events, killed_at).await;
                let ahead = db.documents().await.history.len() - before;
                left += usize::from(ahead > 0);
                redone += usize::from(ahead > 0 && end != killed_at);
            }
            if !is_killed || rng.random_bool(0.5) {
                fill(&db, &events, end).await.unwrap();
                done = end;
            }
        }
        db.assert_is_fold_of(&events).await;
    }
    assert!(left > 10 && redone > 5, "{left} kills left something, {redone} batches after them ended elsewhere");
    db.drop_it().await;
}

#[tokio::test]
async fn projectors_go_on_from_what_a_killed_fill_has_left() {
    let db = Db::new().await;
    let events = placed(Story::new(7, 6).take(200), 0);
    fill(&db, &events, 60).await.unwrap();
    killed(&db, &events, 160).await;
    for end in [100, 150, 180, 200] {
        let from = db.store(LOG).load(0).await.unwrap();
        let batch = Batch::of(&events[from.position.next_offset as usize..end]).unwrap();
        db.store(LOG).write(0, Arc::new(batch), from, position(end as u64)).await.unwrap();
    }
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn two_that_fill_one_partition_at_a_time_end_where_one_alone_does() {
    let db = Db::new().await;
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        db.forget_everything().await;
        let events = placed(Story::new(seed, 5).take(200), 0);
        let fills = async |ends: Vec<usize>| {
            for size in ends {
                // Between these somebody else may have moved the checkpoint, which is what they are for.
                let from = db.store(LOG).load(0).await.unwrap();
                let end = (from.position.next_offset as usize + size).min(events.len());
                let written = fill_from(&db, &events, from, end).await;
                assert!(matches!(written, Ok(_) | Err(StoreFailure::Superseded)), "{written:?}");
            }
        };
        let mut sizes = || (0..20).map(|_| rng.random_range(1..=40)).collect();
        tokio::join!(fills(sizes()), fills(sizes()));
        fill(&db, &events, events.len()).await.unwrap();
        db.assert_is_fold_of(&events).await;
    }
    db.drop_it().await;
}
