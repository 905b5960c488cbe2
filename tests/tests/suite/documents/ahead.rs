//! What a fill writes ahead of its transaction: wherever it is killed and whoever goes on, with whatever bounds, the store ends as the log says.

use std::sync::Arc;

use projectors::documents::batch::Batch;
use projectors::event::LoggedEvent;
use projectors::projection::{Saved, StoreFailure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::store::{LOG, create, position, post_events, publish};
use super::world::Db;
use crate::ledger::histories::{Happened, Story, placed};
use crate::ledger::soon;

/// Fills on with the events from where the store is to `end`.
async fn fill(db: &Db, events: &[LoggedEvent], end: usize) -> Result<(), StoreFailure> {
    let attempts = async {
        loop {
            let from = db.store(LOG).load(0).await.unwrap();
            if from.position.next_offset == end as u64 {
                return Ok(());
            }
            match fill_from(db, events, from, end).await {
                Ok(_) => return Ok(()),
                // A busy server may give up a transaction, which may have been committed all the same.
                Err(StoreFailure::Unavailable(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
    };
    soon("the batch to be written", attempts).await
}

async fn fill_from(db: &Db, events: &[LoggedEvent], from: Saved, end: usize) -> Result<Saved, StoreFailure> {
    let begin = from.position.next_offset as usize;
    let batch = Arc::new(Batch::of(&events[begin..end]).unwrap());
    db.store(LOG).filling().write(0, batch, from, position(end as u64)).await
}

/// As if killed before its transaction: one whose checkpoint is not what the store has writes what is new and no more.
async fn killed(db: &Db, events: &[LoggedEvent], end: usize) {
    let from = db.store(LOG).load(0).await.unwrap();
    let elsewhere = Saved { revision: from.revision + 1_000, ..from };
    let attempts = async {
        loop {
            match fill_from(db, events, elsewhere, end).await {
                Err(StoreFailure::Unavailable(_)) => {}
                written => return written,
            }
        }
    };
    assert_eq!(soon("the batch to fail", attempts).await, Err(StoreFailure::Superseded));
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
    let mut all_met = 0;
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        db.forget_everything().await;
        let events = placed(Story::new(seed, 5).take(200), 0);
        let fills = async |sizes: Vec<usize>| {
            let mut met = 0;
            for size in sizes {
                // Between these somebody else may have moved the checkpoint, which is what they are for.
                let from = db.store(LOG).load(0).await.unwrap();
                let end = (from.position.next_offset as usize + size).min(events.len());
                let written = fill_from(&db, &events, from, end).await;
                let is_passing = matches!(written, Err(StoreFailure::Superseded | StoreFailure::Unavailable(_)));
                met += usize::from(written == Err(StoreFailure::Superseded));
                assert!(written.is_ok() || is_passing, "{written:?}");
            }
            met
        };
        let mut sizes = || (0..20).map(|_| rng.random_range(1..=40)).collect();
        let (one, other) = tokio::join!(fills(sizes()), fills(sizes()));
        all_met += one + other;
        fill(&db, &events, events.len()).await.unwrap();
        db.assert_is_fold_of(&events).await;
    }
    assert!(all_met > 5, "they met {all_met} times");
    db.drop_it().await;
}

/// A post of a mebibyte, so that a few of them fill a command, under a slug.
fn large(slug: &str) -> Vec<Happened> {
    post_events(Uuid::now_v7(), vec![create(slug, &"a".repeat(1 << 20)), publish(slug)])
}

#[tokio::test]
async fn what_a_killed_fill_has_left_of_a_batch_of_several_commands_does_not_stop_the_next() {
    let db = Db::new().await;
    let events = placed((0..6).flat_map(|number| large(&format!("a-{number}"))).collect(), 0);
    killed(&db, &events, 6).await;
    fill(&db, &events, events.len()).await.unwrap();
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn a_slug_that_another_post_has_does_not_stop_a_fill_of_several_commands() {
    let db = Db::new().await;
    let slugs = ["taken", "a", "b", "c", "d", "taken"];
    let events = placed(slugs.into_iter().flat_map(large).collect(), 0);
    fill(&db, &events, 2).await.unwrap();
    fill(&db, &events, events.len()).await.unwrap();
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}
