//! The whole way: from the log through the runner into the index.

use projectors::runner::status::State;
use serde_json::json;

use super::world::{Indexes, UP, World, changes, stack};
use crate::ledger::histories::Story;
use crate::ledger::in_a_log_since_cut_back;
use crate::ledger::writer::Writers;

#[tokio::test(flavor = "multi_thread")]
async fn the_index_equals_an_independent_fold_of_the_log_before_and_after_a_restart() {
    let world = World::new(3).await;
    let mut story = Story::new(51, 10);
    let mut writers = Writers::claim(&world).await;
    writers.append(&world, &story.take(60)).await;
    let process = world.start().await;
    writers.append(&world, &story.take(60)).await;
    world.assert_catches_up().await;
    process.becomes_ready().await;
    process.stop().await;

    writers.append(&world, &story.take(60)).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    process.stop().await;
    world.indexes.drop_them().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_that_are_lost_while_they_are_written_are_there_again_whole() {
    let world = World::new(3).await;
    let mut story = Story::new(56, 10);
    let mut writers = Writers::claim(&world).await;
    writers.append(&world, &story.take(60)).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    let posts = world.indexes.names.posts();
    let mapping = async || world.indexes.elasticsearch.get(&format!("{posts}/_mapping")).await.unwrap().unwrap();
    let before = mapping().await;
    for more in [0, 60] {
        for index in world.indexes.names.indexes() {
            world.indexes.elasticsearch.delete(&index).await.unwrap();
        }
        writers.append(&world, &story.take(more)).await;
        world.assert_catches_up().await;
        assert_eq!(mapping().await, before);
    }
    process.stop().await;
    world.indexes.drop_them().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_elasticsearch_is_waited_for_and_then_made_up() {
    let _alone = UP.write().await;
    let world = World::around(Indexes::alone().await, 2).await;
    let mut story = Story::new(52, 6);
    let mut writers = Writers::claim(&world).await;
    let process = world.start().await;
    writers.append(&world, &story.take(20)).await;
    world.assert_catches_up().await;

    tokio::task::spawn_blocking(|| stack().kill("elasticsearch").unwrap()).await.unwrap();
    writers.append(&world, &story.take(20)).await;
    process.until("a partition that waits", |_, state| matches!(state, State::Waiting(_))).await;
    let why = process.unready_because().await.unwrap();
    assert!(why.contains("waits: Elasticsearch"), "{why}");

    tokio::task::spawn_blocking(|| stack().restart("elasticsearch").unwrap()).await.unwrap();
    world.assert_catches_up().await;
    process.becomes_ready().await;
    process.stop().await;
    world.indexes.drop_them().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_takes_no_writes_for_a_while_is_waited_for_and_parks_nothing() {
    let world = World::new(1).await;
    let mut story = Story::new(53, 4);
    let mut writers = Writers::claim(&world).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    // As Elasticsearch itself does when a disk is full.
    let settings = format!("{}/_settings", world.indexes.names.posts());
    let block = |blocked: bool| json!({ "index.blocks.write": blocked });
    world.indexes.elasticsearch.put(&settings, &block(true)).await.unwrap();
    writers.append(&world, &story.take(20)).await;
    process.until("a partition that waits", |_, state| matches!(state, State::Waiting(_))).await;
    world.indexes.elasticsearch.put(&settings, &block(false)).await.unwrap();
    world.assert_catches_up().await;
    process.becomes_ready().await;
    process.stop().await;
    world.indexes.drop_them().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_back_halts_and_is_not_read_over() {
    for case in 0..2 {
        let world = World::new(1).await;
        let mut story = Story::new(54, 4);
        let mut writers = Writers::claim(&world).await;
        writers.append(&world, &story.take(10)).await;
        let process = world.start().await;
        world.assert_catches_up().await;
        process.stop().await;

        let store = world.indexes.store(world.identity.log_id);
        let saved = store.load(0).await.unwrap();
        let (elsewhere, reason) = in_a_log_since_cut_back(saved.position)[case];
        store.write(0, changes(&[]), saved, elsewhere).await.unwrap();
        let before = world.indexes.posts().await;
        writers.append(&world, &story.take(10)).await;
        let process = world.start().await;
        process.until("the partition halted", |_, state| matches!(state, State::Halted(_))).await;
        let why = process.unready_because().await.unwrap();
        assert!(why.contains(reason) && why.contains("rebuild"), "{why}");
        assert_eq!(world.indexes.posts().await, before);
        process.stop().await;
        world.indexes.drop_them().await;
    }
}
