//! The whole way: from the log through the runner into the tables.

use projectors::analytics::write::Store;
use projectors::projection::Saved;
use projectors::runner::status::State;

use super::world::{Db, NAMES, UP, World, changes, position, stack, take};
use crate::ledger::histories::Story;
use crate::ledger::writer::Writers;
use crate::ledger::{in_a_log_since_cut_back, soon};

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_equal_an_independent_fold_of_the_log_before_and_after_a_restart() {
    let world = World::new(3).await;
    let mut story = Story::new(21, 10);
    let mut writers = Writers::claim(&world).await;
    writers.append(&world, &take(&mut story, 60)).await;
    let process = world.start().await;
    writers.append(&world, &take(&mut story, 60)).await;
    world.assert_catches_up().await;
    process.becomes_ready().await;
    process.stop().await;

    writers.append(&world, &take(&mut story, 40)).await;
    // Another owner, whose claim stands in the log between the events.
    drop(writers);
    let mut writers = Writers::claim(&world).await;
    writers.append(&world, &take(&mut story, 40)).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    assert_eq!(world.events().await.len(), 200);
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_lost_while_they_are_written_are_there_again_whole() {
    let world = World::new(3).await;
    let mut story = Story::new(29, 10);
    let mut writers = Writers::claim(&world).await;
    writers.append(&world, &take(&mut story, 60)).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    for more in [0, 60] {
        world.db.clickhouse.drop_database().await.unwrap();
        writers.append(&world, &take(&mut story, more)).await;
        world.assert_catches_up().await;
    }
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_begun_is_read_again_with_its_bounds() {
    let world = World::new(1).await;
    let mut writers = Writers::claim(&world).await;
    let mut story = Story::new(22, 6);
    writers.append(&world, &take(&mut story, 20)).await;
    // One that died after it had inserted the first half.
    let half = world.events().await[..10].to_vec();
    let end = half.last().unwrap().offset + 1;
    let store: Store = Store::new(world.db.clickhouse.clone(), NAMES, world.identity.log_id);
    store.begin(0, Saved::NOTHING, position(end)).await.unwrap();
    for insert in store.inserts(0, &changes(&half), Saved::NOTHING, position(end)) {
        store.insert(&insert).await.unwrap();
    }
    let process = world.start().await;
    world.assert_catches_up().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_letters_that_was_begun_and_moves_no_position_is_ended() {
    let world = World::new(1).await;
    let mut writers = Writers::claim(&world).await;
    let mut story = Story::new(28, 6);
    writers.append(&world, &take(&mut story, 20)).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    process.stop().await;
    // One that died while it retried letters.
    let store = world.db.store(world.identity.log_id);
    let saved = store.load(0).await.unwrap();
    store.begin(0, saved, saved.position).await.unwrap();
    let process = world.start().await;
    soon("the batch to be ended", async {
        while store.load(0).await.unwrap().begun.is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    writers.append(&world, &take(&mut story, 20)).await;
    world.assert_catches_up().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projectors_share_the_partitions_and_one_takes_over_from_the_other() {
    let world = World::new(4).await;
    let mut story = Story::new(23, 10);
    let mut writers = Writers::claim(&world).await;
    let one = world.start().await;
    let other = world.start().await;
    other.until("a share of the partitions", |_, state| *state == State::Running).await;
    writers.append(&world, &take(&mut story, 60)).await;
    world.assert_catches_up().await;
    one.stop().await;
    writers.append(&world, &take(&mut story, 60)).await;
    world.assert_catches_up().await;
    other.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_clickhouse_is_waited_for_and_then_made_up() {
    let _alone = UP.write().await;
    let world = World::around(Db::alone().await, 2).await;
    let mut story = Story::new(25, 6);
    let mut writers = Writers::claim(&world).await;
    let process = world.start().await;
    writers.append(&world, &take(&mut story, 20)).await;
    world.assert_catches_up().await;

    tokio::task::spawn_blocking(|| stack().kill("clickhouse").unwrap()).await.unwrap();
    writers.append(&world, &take(&mut story, 20)).await;
    process.until("a partition that waits", |_, state| matches!(state, State::Waiting(_))).await;
    let why = process.unready_because().await.unwrap();
    assert!(why.contains("waits: ClickHouse"), "{why}");

    tokio::task::spawn_blocking(|| stack().restart("clickhouse").unwrap()).await.unwrap();
    world.assert_catches_up().await;
    process.becomes_ready().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_middle_of_batches_loses_nothing_and_counts_nothing_twice() {
    let _alone = UP.write().await;
    let world = World::around(Db::alone().await, 3).await;
    let mut story = Story::new(27, 8);
    let mut writers = Writers::claim(&world).await;
    let process = world.start().await;
    for _ in 0..5 {
        writers.append(&world, &take(&mut story, 30)).await;
        tokio::task::spawn_blocking(|| stack().kill("clickhouse").unwrap()).await.unwrap();
        writers.append(&world, &take(&mut story, 10)).await;
        tokio::task::spawn_blocking(|| stack().restart("clickhouse").unwrap()).await.unwrap();
    }
    world.assert_catches_up().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_back_halts_and_is_not_read_over() {
    for case in 0..2 {
        let world = World::new(1).await;
        let mut story = Story::new(27, 4);
        let mut writers = Writers::claim(&world).await;
        writers.append(&world, &take(&mut story, 10)).await;
        let process = world.start().await;
        world.assert_catches_up().await;
        process.stop().await;

        let store = world.db.store(world.identity.log_id);
        let saved = store.load(0).await.unwrap();
        let (elsewhere, reason) = in_a_log_since_cut_back(saved.position)[case];
        store.write(0, changes(&[]), saved, elsewhere).await.unwrap();
        let before = world.db.everything().await;
        writers.append(&world, &take(&mut story, 10)).await;
        let process = world.start().await;
        process.until("the partition halted", |_, state| matches!(state, State::Halted(_))).await;
        let why = process.unready_because().await.unwrap();
        assert!(why.contains(reason) && why.contains("rebuild"), "{why}");
        assert_eq!(world.db.everything().await, before);
        process.stop().await;
        world.db.drop_it().await;
    }
}
