//! The whole way: from the log through the runner into the store.

use event_schema::person::PersonCreated;
use groot_tests::waiting::until;
use mongodb::bson::{Document, doc};
use projectors::runner::status::State;
use read_model::DOCUMENTS;
use uuid::Uuid;

use super::world::{Db, UP, World, stack};
use crate::ledger::histories::{Happened, Story, meta};
use crate::ledger::writer::{Writer, Writers, record};

fn person(name: &str) -> Happened {
    let event = PersonCreated { name: name.to_owned() }.into();
    Happened { meta: meta(Uuid::now_v7(), 1, &event, chrono::DateTime::UNIX_EPOCH), event }
}

fn is_halted(state: &State) -> bool {
    matches!(state, State::Halted(_))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_equals_an_independent_fold_of_the_log_before_and_after_a_restart() {
    let world = World::new(3).await;
    let mut story = Story::new(21, 10);
    let mut writers = Writers::claim(&world).await;
    writers.append(&world, &story.take(60)).await;
    let process = world.start().await;
    writers.append(&world, &story.take(60)).await;
    world.assert_catches_up().await;
    process.becomes_ready().await;
    process.stop().await;

    writers.append(&world, &story.take(40)).await;
    // Another owner, whose claim stands in the log between the events.
    drop(writers);
    let mut writers = Writers::claim(&world).await;
    writers.append(&world, &story.take(40)).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    assert_eq!(world.events().await.len(), 200);
    process.stop().await;
    world.db.drop_it().await;
}

/// Names of indexes by collection.
async fn indexes(world: &World) -> Vec<(String, Vec<String>)> {
    let mut indexes = Vec::new();
    for name in DOCUMENTS.collections() {
        let mut names = world.db.database.collection::<Document>(&name).list_index_names().await.unwrap();
        names.sort();
        indexes.push((name, names));
    }
    indexes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_lost_while_nothing_happens_is_there_again_whole() {
    let world = World::new(3).await;
    let mut story = Story::new(26, 10);
    let mut writers = Writers::claim(&world).await;
    writers.append(&world, &story.take(60)).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    let before = indexes(&world).await;
    assert!(before.iter().any(|(_, names)| names.len() > 1), "{before:?}");

    world.db.database.drop().await.unwrap();
    world.assert_catches_up().await;
    assert_eq!(indexes(&world).await, before);
    // Now all partitions have something to write at once.
    world.db.database.drop().await.unwrap();
    writers.append(&world, &story.take(60)).await;
    world.assert_catches_up().await;
    assert_eq!(indexes(&world).await, before);
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projectors_share_the_partitions_and_one_takes_over_from_the_other() {
    let world = World::new(4).await;
    let mut story = Story::new(22, 10);
    let mut writers = Writers::claim(&world).await;
    let one = world.start().await;
    let other = world.start().await;
    other.until("a share of the partitions", |_, state| *state == State::Running).await;
    writers.append(&world, &story.take(60)).await;
    world.assert_catches_up().await;
    one.stop().await;
    writers.append(&world, &story.take(60)).await;
    world.assert_catches_up().await;
    other.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_this_build_is_too_old_for_halts_its_partition_and_no_other() {
    let world = World::new(2).await;
    let mut halted = Writer::claim(&world, 0).await;
    let mut healthy = Writer::claim(&world, 1).await;
    let process = world.start().await;
    halted.commit(vec![record(&world, &person("before"))]).await;
    world.assert_catches_up().await;

    let mut newer = person("newer");
    newer.meta.event_type = "groot.person.PersonPainted".to_owned();
    halted.commit(vec![record(&world, &newer)]).await;
    halted.commit(vec![record(&world, &person("behind it"))]).await;
    process.until("partition 0 halted", |partition, state| partition == 0 && is_halted(state)).await;
    healthy.commit(vec![record(&world, &person("elsewhere"))]).await;
    let elsewhere = async || (world.db.documents().await.people.len() == 2).then_some(());
    until("the other partition's event", elsewhere).await;

    let why = process.unready_because().await.unwrap();
    assert!(why.starts_with("partition 0 is halted: the record at offset 2 of partition 0"), "{why}");
    assert!(why.contains("deploy a newer one"), "{why}");
    let mut names: Vec<_> = world.db.documents().await.people.into_values().map(|person| person.name).collect();
    names.sort();
    assert_eq!(names, ["before", "elsewhere"]);
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_aggregates_unknown_here_are_passed_over() {
    let world = World::new(1).await;
    let mut writer = Writer::claim(&world, 0).await;
    let mut foreign = person("foreign");
    foreign.meta.event_type = "groot.media.MediaUploaded".to_owned();
    writer.commit(vec![record(&world, &foreign)]).await;
    writer.commit(vec![record(&world, &person("known"))]).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    assert_eq!(world.db.documents().await.people.len(), 1);
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_whose_checkpoint_was_moved_goes_on_from_there() {
    let world = World::new(1).await;
    let mut story = Story::new(23, 4);
    let mut writers = Writers::claim(&world).await;
    let process = world.start().await;
    writers.append(&world, &story.take(20)).await;
    world.assert_catches_up().await;
    // As a second projector would that wrote the same batch: the revision is no longer the one that this one knows.
    let moved = world.db.checkpoints().update_many(doc! {}, doc! { "$inc": { "rev": 5 } }).await.unwrap();
    assert_eq!(moved.modified_count, 1);
    writers.append(&world, &story.take(20)).await;
    world.assert_catches_up().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_the_one_read_before_halts() {
    let changes = [
        // As if the log had been cut back and written anew.
        (doc! { "$set": { "lastRecordId": Uuid::now_v7().to_string() } }, "was cut back"),
        // As if it had been cut back and not grown again.
        (doc! { "$set": { "nextOffset": 5_000_i64 } }, "cannot be read"),
        (doc! { "$set": { "logId": "1" } }, "is of the log 1"),
    ];
    for (change, reason) in changes {
        let world = World::new(1).await;
        let mut story = Story::new(24, 4);
        let mut writers = Writers::claim(&world).await;
        writers.append(&world, &story.take(10)).await;
        let process = world.start().await;
        world.assert_catches_up().await;
        process.stop().await;

        world.db.checkpoints().update_many(doc! {}, change).await.unwrap();
        let before = world.db.documents().await;
        writers.append(&world, &story.take(10)).await;
        let process = world.start().await;
        process.until("the partition halted", |_, state| is_halted(state)).await;
        let why = process.unready_because().await.unwrap();
        assert!(why.contains(reason) && why.contains("rebuild"), "{why}");
        assert_eq!(world.db.documents().await, before);
        process.stop().await;
        world.db.drop_it().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_mongodb_is_waited_for_and_then_made_up() {
    let _alone = UP.write().await;
    let world = World::around(Db::alone().await, 2).await;
    let mut story = Story::new(25, 6);
    let mut writers = Writers::claim(&world).await;
    let process = world.start().await;
    writers.append(&world, &story.take(20)).await;
    world.assert_catches_up().await;

    tokio::task::spawn_blocking(|| stack().kill("mongodb").unwrap()).await.unwrap();
    writers.append(&world, &story.take(20)).await;
    process.until("a partition that waits", |_, state| matches!(state, State::Waiting(_))).await;
    let why = process.unready_because().await.unwrap();
    assert!(why.contains("waits: MongoDB"), "{why}");

    tokio::task::spawn_blocking(|| stack().restart("mongodb").unwrap()).await.unwrap();
    world.assert_catches_up().await;
    process.becomes_ready().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_stops_in_order_while_mongodb_is_away() {
    let _alone = UP.write().await;
    let world = World::around(Db::alone().await, 1).await;
    let mut story = Story::new(26, 6);
    let mut writers = Writers::claim(&world).await;
    let process = world.start().await;
    world.assert_catches_up().await;
    tokio::task::spawn_blocking(|| stack().kill("mongodb").unwrap()).await.unwrap();
    writers.append(&world, &story.take(5)).await;
    process.until("a partition that waits", |_, state| matches!(state, State::Waiting(_))).await;
    process.stop().await;
    tokio::task::spawn_blocking(|| stack().restart("mongodb").unwrap()).await.unwrap();
    let process = world.start().await;
    world.assert_catches_up().await;
    process.stop().await;
    world.db.drop_it().await;
}
