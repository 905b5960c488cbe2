//! The store alone: documents, their versions, and checkpoints.

use futures::future::join_all;
use projectors::documents::fold as documents;
use projectors::event::LoggedEvent;
use projectors::projection::{Saved, StoreFailure};
use projectors::search::batch::Batch;
use projectors::together::Write;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::world::{Indexes, changes, position};
use crate::ledger::histories::{Story, in_partitions, placed};

const LOG: u64 = u64::MAX - 1;

#[tokio::test]
async fn documents_and_their_position_are_stored() {
    let indexes = Indexes::new().await;
    let events = placed(Story::new(1, 3).take(20), 5);
    let saved = indexes.write(LOG, &events).await.unwrap();
    assert_eq!(saved, Saved { position: position(25), revision: 1, begun: None });
    let store = indexes.store(LOG);
    assert_eq!(store.load(0).await.unwrap(), saved);
    assert_eq!(store.load(1).await.unwrap(), Saved::NOTHING, "partitions have checkpoints of their own");
    indexes.assert_are_fold_of(&events).await;
    let other_log = indexes.store(7).load(0).await;
    assert!(matches!(other_log, Err(StoreFailure::Halt(why)) if why.contains("is of the log")));
    indexes.drop_them().await;
}

#[tokio::test]
async fn interleaved_aggregates_in_batches_of_any_size_lead_to_the_fold() {
    for seed in 0..3 {
        let indexes = Indexes::new().await;
        let mut rng = StdRng::seed_from_u64(seed);
        let events = placed(Story::new(seed, 8).take(300), 0);
        let mut rest = &events[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rng.random_range(1..=rest.len().min(60)));
            indexes.write(LOG, now).await.unwrap();
            rest = later;
        }
        indexes.assert_are_fold_of(&events).await;
        indexes.drop_them().await;
    }
}

#[tokio::test]
async fn applying_a_batch_twice_changes_nothing() {
    let indexes = Indexes::new().await;
    let events = placed(Story::new(2, 4).take(60), 0);
    let (first, second) = events.split_at(25);
    indexes.write(LOG, first).await.unwrap();
    let store = indexes.store(LOG);
    let from = store.load(0).await.unwrap();
    let once = store.write(0, changes(second), from, position(60)).await.unwrap();
    let again = store.write(0, changes(second), from, position(60)).await;
    assert_eq!(again, Err(StoreFailure::Superseded), "the checkpoint has moved");
    assert_eq!(store.load(0).await.unwrap(), once);
    indexes.assert_are_fold_of(&events).await;

    // Also where no checkpoint stands in the way.
    indexes.forget_checkpoints().await;
    indexes.write(LOG, second).await.unwrap();
    indexes.assert_are_fold_of(&events).await;
    indexes.drop_them().await;
}

#[tokio::test]
async fn documents_that_are_ahead_of_the_checkpoint_take_what_they_lack() {
    let indexes = Indexes::new().await;
    let events = placed(Story::new(4, 5).take(90), 0);
    indexes.write(LOG, &events[..30]).await.unwrap();
    // As one that died before it moved the checkpoint: the next reads the same events, and more.
    indexes.store(LOG).write_posts(&Batch::of(&events[30..60]).unwrap().posts).await.unwrap();
    assert_eq!(indexes.store(LOG).load(0).await.unwrap().position.next_offset, 30);
    indexes.write(LOG, &events[30..]).await.unwrap();
    indexes.assert_are_fold_of(&events).await;
    indexes.drop_them().await;
}

#[tokio::test]
async fn an_older_version_never_overwrites_a_newer_one() {
    let indexes = Indexes::new().await;
    let events = placed(Story::new(3, 4).take(120), 0);
    indexes.write(LOG, &events).await.unwrap();
    // As a projector that was cut off long ago and writes now, from the beginning and from within.
    let store = indexes.store(LOG);
    for older in [&events[..50]].into_iter().chain(events.chunks(7)) {
        store.write_posts(&Batch::of(older).unwrap().posts).await.unwrap();
        // Each time: what follows would mend what an older write has broken.
        indexes.assert_are_fold_of(&events).await;
    }
    indexes.drop_them().await;
}

/// Writes each document again, some of them wrong, under a version that no event gave.
async fn meddle(indexes: &Indexes, title: Option<&str>) {
    for mut post in indexes.posts().await.into_values() {
        post.title = title.map_or(post.title, str::to_owned);
        let path = format!("{}/_doc/{}?version=100000&version_type=external_gte", indexes.names.posts(), post.id);
        indexes.elasticsearch.put(&path, &serde_json::to_value(&post).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn what_somebody_else_has_written_keeps_no_later_event_out() {
    let indexes = Indexes::new().await;
    let events = placed(Story::new(7, 4).take(120), 0);
    let (first, rest) = events.split_at(60);
    indexes.write(LOG, first).await.unwrap();
    meddle(&indexes, None).await;
    for batch in rest.chunks(20) {
        indexes.write(LOG, batch).await.unwrap();
    }
    indexes.assert_are_fold_of(&events).await;
    // One that was cut off long ago is kept out by what is there all the same.
    indexes.store(LOG).write_posts(&Batch::of(first).unwrap().posts).await.unwrap();
    indexes.assert_are_fold_of(&events).await;
    indexes.drop_them().await;
}

#[tokio::test]
async fn a_post_that_somebody_else_wrote_to_is_put_right_at_once_and_projected_on() {
    let indexes = Indexes::new().await;
    let events = placed(Story::new(8, 4).take(120), 0);
    let (first, rest) = events.split_at(60);
    indexes.write(LOG, first).await.unwrap();
    meddle(&indexes, Some("Wrong")).await;
    let (store, folded) = (indexes.store(LOG), documents::expected(first).posts);
    for (id, post) in &folded {
        assert!(!store.is_right(*id, Some(post)).await.unwrap());
        store.repair(*id, Some(post)).await.unwrap();
        assert!(store.is_right(*id, Some(post)).await.unwrap());
    }
    indexes.assert_are_fold_of(first).await;
    indexes.write(LOG, rest).await.unwrap();
    for (id, post) in &folded {
        let refused = store.repair(*id, Some(post)).await;
        assert!(matches!(refused, Ok(()) | Err(StoreFailure::Superseded)), "{refused:?}");
    }
    indexes.assert_are_fold_of(&events).await;
    let nobody = uuid::Uuid::from_u128(1);
    store.repair(nobody, None).await.unwrap();
    assert!(store.is_right(nobody, None).await.unwrap());
    indexes.drop_them().await;
}

#[tokio::test]
async fn of_batches_that_are_written_together_one_that_was_superseded_does_not_keep_the_others() {
    let indexes = Indexes::new().await;
    let logs = in_partitions(8, 20);
    // Somebody else was there already.
    indexes.store(LOG).write(3, changes(&logs[3]), Saved::NOTHING, position(20)).await.unwrap();
    let store = indexes.store(LOG);
    let write = |(partition, events): (u32, &Vec<LoggedEvent>)| {
        store.write(partition, changes(events), Saved::NOTHING, position(20))
    };
    for (partition, written) in (0..).zip(join_all((0..).zip(&logs).map(write)).await) {
        match partition {
            3 => assert_eq!(written, Err(StoreFailure::Superseded)),
            _ => assert_eq!(written, Ok(indexes.store(LOG).load(partition).await.unwrap())),
        }
    }
    indexes.assert_are_fold_of(&logs.concat()).await;
    indexes.drop_them().await;
}

#[tokio::test]
async fn of_two_writers_of_one_position_one_goes_on() {
    // From where nothing is stored, and from where something is.
    for before in [0, 20] {
        let indexes = Indexes::new().await;
        let events = placed(Story::new(5, 4).take(60), 0);
        let [one, other] = [indexes.store(LOG), indexes.store(LOG)];
        let from = match before {
            0 => Saved::NOTHING,
            before => indexes.write(LOG, &events[..before]).await.unwrap(),
        };
        let (first, second) = tokio::join!(
            one.write(0, changes(&events[before..40]), from, position(40)),
            other.write(0, changes(&events[before..]), from, position(60)),
        );
        let superseded = [&first, &second].iter().filter(|result| ***result == Err(StoreFailure::Superseded)).count();
        assert_eq!(superseded, 1, "{first:?} {second:?}");
        indexes.write(LOG, &events).await.unwrap();
        indexes.assert_are_fold_of(&events).await;
        indexes.drop_them().await;
    }
}

#[tokio::test]
async fn who_was_held_up_while_the_indexes_were_lost_moves_no_position() {
    let indexes = Indexes::new().await;
    let events = placed(Story::new(7, 4).take(60), 0);
    let held_up = indexes.store(LOG);
    let first = [Write { partition: 1, changes: changes(&events), from: Saved::NOTHING, to: position(60) }];
    let first_begun = held_up.begin(&first).await.unwrap();
    indexes.write(LOG, &events[..20]).await.unwrap();
    let from = indexes.write(LOG, &events[20..30]).await.unwrap();
    let write = [Write { partition: 0, changes: changes(&events[30..]), from, to: position(60) }];
    let begun = held_up.begin(&write).await.unwrap();
    // The indexes are lost, and made anew.
    indexes.lose_them().await;
    assert_eq!(held_up.finish(&write, &begun).await, Err(StoreFailure::Superseded), "there is no position");
    assert_eq!(held_up.finish(&first, &first_begun).await, Err(StoreFailure::Superseded), "nor one that was none");
    assert_eq!(held_up.load(1).await.unwrap(), Saved::NOTHING);
    indexes.write(LOG, &events[..15]).await.unwrap();
    indexes.write(LOG, &events[15..25]).await.unwrap();
    assert_eq!(held_up.finish(&write, &begun).await, Err(StoreFailure::Superseded), "it is another one");
    assert_eq!(held_up.begin(&write).await, Err(StoreFailure::Superseded), "of the same revision");
    indexes.write(LOG, &events[25..30]).await.unwrap();
    indexes.write(LOG, &events[30..]).await.unwrap();
    indexes.assert_are_fold_of(&events).await;
    indexes.drop_them().await;
}

#[tokio::test]
async fn a_post_that_lacks_earlier_events_halts() {
    let indexes = Indexes::new().await;
    let events = placed(Story::new(6, 1).take(40), 0);
    let gap = indexes.write(LOG, &events[20..]).await;
    assert!(matches!(&gap, Err(StoreFailure::Halt(why)) if why.contains("rebuild")), "{gap:?}");
    assert_eq!(indexes.store(LOG).load(0).await.unwrap(), Saved::NOTHING);
    indexes.drop_them().await;
}
