//! An event that cannot be projected parks the records of its key, in their order, and nothing else.

use std::sync::Arc;

use event_log::position::Position;
use event_log::record::{Headers, LogRecord, RecordDraft};
use event_schema::event::DomainEvent;
use groot_tests::tool::replay_tool;
use groot_tests::waiting;
use mongodb::Collection;
use mongodb::bson::{Binary, doc, spec::BinarySubtype};
use projectors::dead_letter::{DeadLetter, Parked, Standing};
use projectors::documents::batch::Batch;
use projectors::documents::dead_letters::DeadLetters;
use projectors::projection::{Changes, Cleared, Saved, StoreFailure};
use projectors::runner::status::State;
use read_model::{DOCUMENTS, DeadLetterDoc};
use uuid::Uuid;

use super::world::{Db, Process, UP, World, stack};
use crate::ledger::histories::{Happened, Story, placed};
use crate::ledger::writer::{Writer, record};

/// A post with what happens to it: created first.
fn life(story: &mut Story) -> Vec<Happened> {
    let all = story.take(400);
    let is_post = |happened: &&Happened| matches!(happened.event, DomainEvent::Post(_));
    let of = |id: Uuid| all.iter().filter(is_post).filter(move |happened| happened.meta.aggregate_id == id);
    let mut ids: Vec<Uuid> = all.iter().filter(is_post).map(|happened| happened.meta.aggregate_id).collect();
    ids.sort_by_key(|id| std::cmp::Reverse(of(*id).count()));
    let life: Vec<_> = of(ids[0]).take(4).cloned().collect();
    assert_eq!(life.len(), 4, "the busiest post has a life to speak of");
    life
}

fn torn(mut record: RecordDraft) -> RecordDraft {
    record.value = record.value.map(|value| value.slice(..6));
    record
}

fn letters(world: &World) -> DeadLetters {
    DeadLetters::new(&world.db.database, DOCUMENTS)
}

async fn parked(world: &World) -> Vec<Parked> {
    letters(world).parked(None).await.unwrap()
}

async fn until(world: &World, what: &str, enough: impl Fn(&[Parked]) -> bool) {
    waiting::until(what, async || enough(&parked(world).await).then_some(())).await;
}

/// Mends what a torn record lost.
async fn mend(world: &World, offset: u64, whole: &RecordDraft) {
    let letters: Collection<DeadLetterDoc> = world.db.database.collection(&DOCUMENTS.dead_letters());
    let value = Binary { subtype: BinarySubtype::Generic, bytes: whole.value.clone().unwrap().to_vec() };
    let mended = letters
        .update_one(doc! { "offset": i64::try_from(offset).unwrap() }, doc! { "$set": { "value": value } })
        .await
        .unwrap();
    assert_eq!(mended.matched_count, 1);
}

/// The operators' tool, as they call it: its exit code, and what it says.
async fn tool(world: &World, arguments: &[&str]) -> (i32, String) {
    let arguments = [&["dead-letters"], arguments].concat();
    let said = replay_tool(
        stack(),
        &arguments,
        &[
            ("GROOT_MONGODB_DATABASE", world.db.database.name()),
            ("GROOT_EVENTS_TOPIC", world.source.kafka.events_topic.as_str()),
        ],
    )
    .await;
    (said.code, said.all())
}

async fn stopped_and_started(world: &World, process: Process) -> Process {
    process.stop().await;
    world.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_parks_its_aggregate_with_its_followers_until_a_retry_succeeds() {
    let world = World::new(1).await;
    let (poisoned, healthy) = (life(&mut Story::new(31, 6)), life(&mut Story::new(32, 6)));
    let key = poisoned[0].meta.aggregate_id.to_string();
    let mut writer = Writer::claim(&world, 0).await;
    let mut process = world.start().await;
    for (number, (ill, well)) in poisoned.iter().zip(&healthy).enumerate() {
        let whole = record(&world, ill);
        writer.commit(vec![if number == 1 { torn(whole) } else { whole }]).await;
        writer.commit(vec![record(&world, well)]).await;
        if number == 2 {
            process = stopped_and_started(&world, process).await;
        }
    }
    // The claim is at 0, so the events of the ill post are at 1, 3, 5 and 7.
    until(&world, "three letters", |parked| parked.first().is_some_and(|parked| parked.letters == 3)).await;
    let first = parked(&world).await.remove(0);
    assert_eq!((first.key.as_str(), first.offset, first.standing), (key.as_str(), 3, Standing::Waiting));
    assert!(first.reason.starts_with("the record at offset 3 of partition 0 cannot be read"), "{first:?}");
    world.has_read_everything().await;
    let posts = world.db.documents().await.posts;
    assert_eq!(posts[&poisoned[0].meta.aggregate_id].version, 1);
    assert_eq!(posts[&healthy[0].meta.aggregate_id].version, 4, "others go on");
    // One parked aggregate is no reason to be away.
    process.becomes_ready().await;

    let (code, listed) = tool(&world, &["list"]).await;
    assert!(code == 0 && listed.contains(&key) && listed.contains("waiting"), "{code} {listed}");
    let (code, shown) = tool(&world, &["show", &key, "--json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown[0]["offset"], &shown[1]["version"]), (0, &3.into(), &3.into()), "{shown}");
    assert!(shown[0]["error"].is_string(), "what is torn cannot be shown, what is behind it can: {shown}");
    let (code, said) = tool(&world, &["retry", "nobody"]).await;
    assert!(code == 4 && said.starts_with("error: nothing of nobody waits"), "{code} {said}");

    assert_eq!(tool(&world, &["retry", &key]).await.0, 0);
    until(&world, "the retry to fail", |parked| parked[0].standing == Standing::Waiting).await;
    assert_eq!(parked(&world).await, [first], "nothing was mended, and nothing is lost");

    mend(&world, 3, &record(&world, &poisoned[1])).await;
    assert!(letters(&world).order(&key, Standing::Retry).await.unwrap());
    until(&world, "the retry to succeed", <[Parked]>::is_empty).await;
    let posts = world.db.documents().await.posts;
    assert_eq!(posts[&poisoned[0].meta.aggregate_id].version, 4);
    let in_turn = poisoned.into_iter().zip(healthy).flat_map(|(ill, well)| [ill, well]).collect();
    world.db.assert_is_fold_of(&placed(in_turn, 1)).await;

    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_for_which_the_store_lacks_something_waits_on_and_halts_nothing() {
    let world = World::new(1).await;
    let (poisoned, healthy) = (life(&mut Story::new(34, 6)), life(&mut Story::new(35, 6)));
    let (id, key) = (poisoned[0].meta.aggregate_id, poisoned[0].meta.aggregate_id.to_string());
    let mut writer = Writer::claim(&world, 0).await;
    let process = world.start().await;
    writer.commit(vec![record(&world, &poisoned[0])]).await;
    writer.commit(vec![torn(record(&world, &poisoned[1]))]).await;
    writer.commit(vec![record(&world, &poisoned[2])]).await;
    until(&world, "two letters", |parked| parked.first().is_some_and(|parked| parked.letters == 2)).await;
    let removed = world.db.posts().delete_one(doc! { "_id": read_model::stored::id(id) }).await.unwrap();
    assert_eq!(removed.deleted_count, 1);

    mend(&world, 2, &record(&world, &poisoned[1])).await;
    assert_eq!(tool(&world, &["retry", &key]).await.0, 0);
    let refused = |parked: &[Parked]| parked[0].standing == Standing::Waiting && parked[0].reason.contains("rebuild");
    until(&world, "the retry to be refused", refused).await;
    assert_eq!(parked(&world).await[0].letters, 2);
    writer.commit(vec![record(&world, &healthy[0])]).await;
    world.has_read_everything().await;
    process.becomes_ready().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_something_parked_an_outage_of_the_store_passes() {
    let _alone = UP.write().await;
    let world = World::around(Db::alone().await, 1).await;
    let life = life(&mut Story::new(36, 6));
    let mut writer = Writer::claim(&world, 0).await;
    let process = world.start().await;
    writer.commit(vec![torn(record(&world, &life[0]))]).await;
    until(&world, "a letter", |parked| !parked.is_empty()).await;
    tokio::task::spawn_blocking(|| stack().kill("mongodb").unwrap()).await.unwrap();
    // It looks for orders, though nothing comes.
    process.until("a partition that waits", |_, state| matches!(state, State::Waiting(_))).await;
    tokio::task::spawn_blocking(|| stack().restart("mongodb").unwrap()).await.unwrap();
    process.until("the partition to run again", |_, state| *state == State::Running).await;
    process.becomes_ready().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_stays_as_it_is_and_what_follows_is_left_out() {
    let world = World::new(1).await;
    let life = life(&mut Story::new(33, 6));
    let key = life[0].meta.aggregate_id.to_string();
    let mut writer = Writer::claim(&world, 0).await;
    let process = world.start().await;
    writer.commit(vec![record(&world, &life[0])]).await;
    writer.commit(vec![torn(record(&world, &life[1]))]).await;
    writer.commit(vec![record(&world, &life[2])]).await;
    until(&world, "two letters", |parked| parked.first().is_some_and(|parked| parked.letters == 2)).await;
    assert_eq!(tool(&world, &["drop", &key]).await.0, 0);
    until(&world, "the drop", |parked| parked[0].standing == Standing::Dropped).await;
    assert!(!letters(&world).order(&key, Standing::Retry).await.unwrap(), "nothing waits any more");

    let process = stopped_and_started(&world, process).await;
    writer.commit(vec![record(&world, &life[3])]).await;
    world.has_read_everything().await;
    assert_eq!(parked(&world).await[0].letters, 1, "the mark that it was dropped");
    assert_eq!(world.db.documents().await.posts[&life[0].meta.aggregate_id].version, 1);
    process.becomes_ready().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_bound_the_partition_stands_still_until_fewer_are_parked() {
    // The bound of these worlds is two.
    let world = World::new(2).await;
    let mut writer = Writer::claim(&world, 0).await;
    let mut elsewhere = Writer::claim(&world, 1).await;
    let process = world.start().await;
    let lives: Vec<_> = (41..46).map(|seed| life(&mut Story::new(seed, 6))).collect();
    for life in &lives[..3] {
        writer.commit(vec![torn(record(&world, &life[0]))]).await;
    }
    let is_halted = |partition, state: &State| partition == 0 && matches!(state, State::Halted(_));
    process.until("partition 0 halted", is_halted).await;
    let why = process.unready_because().await.unwrap();
    assert!(why.starts_with("partition 0 is halted: 3 aggregates are parked and 2 may be"), "{why}");
    writer.commit(vec![record(&world, &lives[3][0])]).await;
    elsewhere.commit(vec![record(&world, &lives[4][0])]).await;
    let elsewhere = async || (!world.db.documents().await.posts.is_empty()).then_some(());
    waiting::until("what is in the other partition", elsewhere).await;

    let process = stopped_and_started(&world, process).await;
    process.until("partition 0 halted after a restart as well", is_halted).await;
    let key = lives[0][0].meta.aggregate_id.to_string();
    assert!(letters(&world).order(&key, Standing::Drop).await.unwrap());
    world.has_read_everything().await;
    process.until("partition 0 runs", |partition, state| partition == 0 && *state == State::Running).await;
    process.becomes_ready().await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_written_with_the_position_or_not_at_all() {
    let db = Db::new().await;
    let store = db.store(9);
    let letter = |offset| {
        let record = LogRecord {
            partition: 0,
            offset,
            timestamp: 1,
            key: Some("a key".into()),
            value: None,
            headers: Headers::default(),
        };
        DeadLetter::poison(record, "it is poison".to_owned())
    };
    let cleared = |through, rest_waits| Some(Cleared { key: "a key".to_owned(), through, rest_waits });
    let changes = |cleared, letters| Changes { cleared, letters, ..Changes::from(Arc::new(Batch::default())) };
    let at = |next_offset| Position { next_offset, ..Position::START };
    let saved = store.write(0, changes(None, vec![letter(3), letter(4)]), Saved::NOTHING, at(5)).await.unwrap();
    let all = store.dead_letters().parked(Some(0)).await.unwrap();
    assert_eq!(all.iter().map(|parked| (parked.offset, parked.letters)).collect::<Vec<_>>(), [(3, 2)]);

    // Somebody who has not heard of it.
    let late = store.write(0, changes(cleared(u64::MAX, true), vec![letter(9)]), Saved::NOTHING, at(9)).await;
    assert_eq!(late, Err(StoreFailure::Superseded));
    assert_eq!(store.dead_letters().parked(Some(0)).await.unwrap(), all);
    assert_eq!(store.dead_letters().of_key(Some(0), "a key", 10).await.unwrap(), [letter(3), letter(4)]);
    assert_eq!(store.dead_letters().of_key(Some(0), "a key", 1).await.unwrap(), [letter(3)]);
    assert_eq!(store.dead_letters().first_order(0).await.unwrap(), None);
    DeadLetters::new(&db.database, DOCUMENTS).order("a key", Standing::Retry).await.unwrap();
    assert_eq!(store.dead_letters().first_order(0).await.unwrap(), Some(("a key".to_owned(), Standing::Retry)));

    let after = store.write(0, changes(cleared(3, true), Vec::new()), saved, at(5)).await.unwrap();
    assert_eq!((after.position, after.revision), (at(5), saved.revision + 1));
    assert_eq!(
        store.dead_letters().of_key(Some(0), "a key", 10).await.unwrap(),
        [letter(4)],
        "what is left waits again"
    );
    assert_eq!(store.dead_letters().first_order(0).await.unwrap(), None);
    assert_eq!(store.dead_letters().parked(Some(1)).await.unwrap(), []);
    db.drop_it().await;
}
