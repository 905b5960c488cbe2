//! The store alone: transactions, checkpoints and version guards.

use std::sync::Arc;

use chrono::DateTime;
use event_log::position::Position;
use event_schema::comment::{CommentAdded, CommentDeleted, CommentEdited};
use event_schema::event::DomainEvent;
use event_schema::like::{PostLiked, PostUnliked};
use event_schema::post::{PostCreated, PostDeleted, PostEdited, PostPublished, PostScheduled, PostType};
use futures::future::join_all;
use mongodb::bson::doc;
use projectors::documents::Documents;
use projectors::documents::batch::Batch;
use projectors::event::LoggedEvent;
use projectors::projection::{Projection, Saved, StoreFailure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use read_model::PostStatus;
use uuid::Uuid;

use super::world::Db;
use crate::ledger::histories::{Happened, Story, in_partitions, meta, placed};
use crate::ledger::soon;

pub const LOG: u64 = u64::MAX - 1;

fn batch(events: &[LoggedEvent]) -> Arc<Batch> {
    Arc::new(Batch::of(events).unwrap())
}

pub fn position(next_offset: u64) -> Position {
    Position { next_offset, last_record: Some(Uuid::from_u128(next_offset.into())), ..Position::START }
}

/// Writes the events as one batch, from where the store is. Tries again where that may help, as the runner does: a busy
/// server may give up a long transaction.
async fn write(db: &Db, events: &[LoggedEvent]) -> Result<Saved, StoreFailure> {
    let batch = batch(events);
    let attempts = async {
        loop {
            let store = db.store(LOG);
            let from = store.load(0).await?;
            let next = events.last().map_or(from.position.next_offset, |last| last.offset + 1);
            match store.write(0, batch.clone(), from, position(next)).await {
                Err(StoreFailure::Unavailable(_)) => {}
                result => return result,
            }
        }
    };
    soon("the batch to be written", attempts).await
}

pub fn post_events(id: Uuid, events: Vec<DomainEvent>) -> Vec<Happened> {
    let time = DateTime::from_timestamp_millis(1_750_000_000_000).unwrap();
    (1..).zip(events).map(|(version, event)| Happened { meta: meta(id, version, &event, time), event }).collect()
}

pub fn create(title: &str, content: &str) -> DomainEvent {
    PostCreated {
        post_type: PostType::Article,
        title: title.to_owned(),
        content: content.to_owned(),
        excerpt: String::new(),
        tags: Vec::new(),
        category: String::new(),
        media: Vec::new(),
        author_id: Uuid::from_u128(1).into(),
        published_at: None,
    }
    .into()
}

fn title(title: &str) -> DomainEvent {
    PostEdited { title: Some(title.to_owned()), ..PostEdited::default() }.into()
}

pub fn publish(slug: &str) -> DomainEvent {
    let published_at = "1790-01-08T00:00:00Z".parse().unwrap();
    PostPublished { slug: slug.to_owned(), published_at, scheduled: false }.into()
}

#[tokio::test]
async fn a_batch_and_its_position_are_stored_together() {
    let db = Db::new().await;
    let events = placed(Story::new(1, 3).take(20), 5);
    let saved = write(&db, &events).await.unwrap();
    assert_eq!(saved, Saved { position: position(25), revision: 1, begun: None });
    assert_eq!(db.store(LOG).load(0).await.unwrap(), saved);
    assert_eq!(db.store(LOG).load(1).await.unwrap(), Saved::NOTHING, "partitions have checkpoints of their own");
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn interleaved_aggregates_in_batches_of_any_size_lead_to_the_fold() {
    let db = Db::new().await;
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        db.database.drop().await.unwrap();
        read_model::ensure_indexes(&db.database, read_model::DOCUMENTS).await.unwrap();
        let events = placed(Story::new(seed, 8).take(300), 0);
        let mut rest = &events[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rng.random_range(1..=rest.len().min(60)));
            write(&db, now).await.unwrap();
            rest = later;
        }
        db.assert_is_fold_of(&events).await;
    }
    db.drop_it().await;
}

#[tokio::test]
async fn applying_a_batch_twice_changes_nothing() {
    let db = Db::new().await;
    let events = placed(Story::new(2, 4).take(60), 0);
    let (first, second) = events.split_at(25);
    write(&db, first).await.unwrap();
    let from = db.store(LOG).load(0).await.unwrap();
    let next = position(60);
    let once = db.store(LOG).write(0, batch(second), from, next).await.unwrap();
    let again = db.store(LOG).write(0, batch(second), from, next).await;
    assert_eq!(again, Err(StoreFailure::Superseded), "the checkpoint has moved");
    assert_eq!(db.store(LOG).load(0).await.unwrap(), once);
    db.assert_is_fold_of(&events).await;

    // Also where no checkpoint stands in the way.
    db.forget_checkpoints().await;
    write(&db, second).await.unwrap();
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn an_older_version_never_overwrites_a_newer_one() {
    let db = Db::new().await;
    let events = placed(Story::new(3, 4).take(120), 0);
    for _ in 0..2 {
        write(&db, &events).await.unwrap();
        // All of the log once more, in small batches, from the beginning.
        for older in events.chunks(7) {
            db.forget_checkpoints().await;
            write(&db, older).await.unwrap();
            db.assert_is_fold_of(&events).await;
        }
        db.forget_checkpoints().await;
    }
    db.drop_it().await;
}

#[tokio::test]
async fn a_batch_of_which_the_store_has_a_part_adds_the_rest() {
    let db = Db::new().await;
    let id = Uuid::now_v7();
    let schedule = PostScheduled { at: "2030-01-01T00:00:00Z".parse().unwrap() };
    let events = placed(post_events(id, vec![create("a", "a"), schedule.into(), title("b"), PostDeleted {}.into()]), 0);
    write(&db, &events[..1]).await.unwrap();
    for stored in [2, 3, 4] {
        db.forget_checkpoints().await;
        write(&db, &events[1..stored]).await.unwrap();
        db.forget_checkpoints().await;
        write(&db, &events[1..]).await.unwrap();
        db.assert_is_fold_of(&events).await;
        assert_eq!(db.documents().await.posts[&id].status_before_delete, Some(PostStatus::Draft));
        db.posts().delete_many(doc! {}).await.unwrap();
        db.forget_checkpoints().await;
        write(&db, &events[..1]).await.unwrap();
    }
    db.drop_it().await;
}

#[tokio::test]
async fn a_document_that_lacks_earlier_events_halts_and_nothing_is_written() {
    let db = Db::new().await;
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    let events = placed(post_events(id, vec![create("a", "a"), title("b"), title("c")]), 0);
    write(&db, &events[..1]).await.unwrap();
    let before = db.documents().await;
    let checkpoint = db.store(LOG).load(0).await.unwrap();
    let mut gap = placed(post_events(other, vec![create("x", "x")]), 3);
    gap.extend_from_slice(&events[2..]);
    let failure = write(&db, &gap).await.unwrap_err();
    assert!(matches!(&failure, StoreFailure::Halt(why) if why.contains(&id.to_string())), "{failure}");
    assert_eq!(db.documents().await, before);
    assert_eq!(db.store(LOG).load(0).await.unwrap(), checkpoint);
    let missing = write(&db, &placed(post_events(other, vec![create("x", "x"), title("y")]), 9)[1..]).await;
    assert!(matches!(missing, Err(StoreFailure::Halt(_))), "{missing:?}");
    db.drop_it().await;
}

/// A post that is published, then liked by so many people and commented on as often.
fn popular(post: Uuid, people: u128) -> Vec<Happened> {
    let time = DateTime::from_timestamp_millis(1_750_000_000_000).unwrap();
    let mut events = post_events(post, vec![create("a", "a"), publish("a-00000000")]);
    let mut happen = |id: Uuid, version, event: DomainEvent| {
        events.push(Happened { meta: meta(id, version, &event, time), event });
    };
    for person in 0..people {
        let person_id = Uuid::from_u128(person).into();
        let (like, comment) = (Uuid::from_u128(1_000 + person), Uuid::from_u128(2_000 + person));
        happen(like, 1, PostLiked { post_id: post.into(), person_id }.into());
        let content = format!("${person}");
        happen(comment, 1, CommentAdded { post_id: post.into(), author_id: person_id, content }.into());
    }
    events
}

#[tokio::test]
async fn likes_and_comments_are_counted_once_however_a_batch_that_is_there_in_part_is_cut() {
    let post = Uuid::now_v7();
    let mut happened = popular(post, 4);
    let time = happened[0].meta.time;
    let unliked = PostUnliked { post_id: post.into(), person_id: Uuid::from_u128(0).into() }.into();
    happened.push(Happened { meta: meta(Uuid::from_u128(1_000), 2, &unliked, time), event: unliked });
    let edited = CommentEdited { post_id: post.into(), content: "$new".to_owned() }.into();
    happened.push(Happened { meta: meta(Uuid::from_u128(2_001), 2, &edited, time), event: edited });
    let deleted = CommentDeleted { post_id: post.into() }.into();
    happened.push(Happened { meta: meta(Uuid::from_u128(2_000), 2, &deleted, time), event: deleted });
    let retitled = title("b");
    happened.push(Happened { meta: meta(post, 3, &retitled, time), event: retitled });
    let events = placed(happened, 0);
    let db = Db::new().await;
    for stored in 1..events.len() {
        for begin in 0..stored {
            // All up to here is there, and then comes a batch that begins before it.
            db.forget_everything().await;
            write(&db, &events[..stored]).await.unwrap();
            db.assert_is_fold_of(&events[..stored]).await;
            db.forget_checkpoints().await;
            write(&db, &events[begin..]).await.unwrap();
            db.assert_is_fold_of(&events).await;
        }
    }
    let documents = db.documents().await;
    assert_eq!((documents.posts[&post].likes, documents.posts[&post].comments), (3, 3));
    let gone = &documents.comments[&Uuid::from_u128(2_000)];
    assert_eq!((gone.content.as_str(), gone.html.as_str(), gone.deleted_at.is_some()), ("", "", true));
    db.drop_it().await;
}

#[tokio::test]
async fn likes_of_a_post_that_is_not_stored_and_edits_of_a_comment_that_is_not_halt() {
    let db = Db::new().await;
    let post = Uuid::now_v7();
    let events = placed(popular(post, 2), 0);
    let liked = write(&db, &events[2..3]).await;
    assert!(matches!(&liked, Err(StoreFailure::Halt(why)) if why.contains(&post.to_string())), "{liked:?}");
    write(&db, &events[..2]).await.unwrap();
    let comment = Uuid::from_u128(2_000);
    let edited: DomainEvent = CommentEdited { post_id: post.into(), content: "x".to_owned() }.into();
    let edited = placed(vec![Happened { meta: meta(comment, 2, &edited, events[0].meta.time), event: edited }], 9);
    let failure = write(&db, &edited).await;
    assert!(matches!(&failure, Err(StoreFailure::Halt(why)) if why.contains(&comment.to_string())), "{failure:?}");
    db.assert_is_fold_of(&events[..2]).await;
    db.drop_it().await;
}

#[tokio::test]
async fn of_two_projectors_of_one_partition_only_one_writes() {
    let db = Db::new().await;
    let mut story = Story::new(4, 3);
    let mut all = Vec::new();
    for _ in 0..15 {
        let offset = all.len() as u64;
        let events = placed(story.take(10), offset);
        let from = db.store(LOG).load(0).await.unwrap();
        // One has read less than the other when it writes.
        let (part, whole) = (batch(&events[..4]), batch(&events));
        let (one, other) = (db.store(LOG), db.store(LOG));
        let (one, other) = tokio::join!(
            one.write(0, part, from, position(offset + 4)),
            other.write(0, whole, from, position(offset + 10)),
        );
        let winner = match (one, other) {
            (Ok(saved), Err(StoreFailure::Superseded)) | (Err(StoreFailure::Superseded), Ok(saved)) => saved,
            both => panic!("{both:?}"),
        };
        assert_eq!(db.store(LOG).load(0).await.unwrap(), winner);
        let written = winner.position.next_offset - offset;
        all.extend_from_slice(&events[..written as usize]);
        db.assert_is_fold_of(&all).await;
        // The other comes after all, reading on from where the winner is.
        write(&db, &events[written as usize..]).await.unwrap();
        all.extend_from_slice(&events[written as usize..]);
    }
    db.assert_is_fold_of(&all).await;
    db.drop_it().await;
}

/// Of what each partition was told, in their order.
async fn assert_all_but_partition_3_written(db: &Db, told: Vec<Result<Saved, StoreFailure>>) {
    for (partition, written) in (0..).zip(told) {
        match partition {
            3 => assert_eq!(written, Err(StoreFailure::Superseded)),
            _ => assert_eq!(written, Ok(db.store(LOG).load(partition).await.unwrap())),
        }
    }
}

#[tokio::test]
async fn of_batches_that_are_written_together_one_that_was_superseded_does_not_keep_the_others() {
    let db = Db::new().await;
    let logs = in_partitions(8, 20);
    // Somebody else was there already.
    db.store(LOG).write(3, batch(&logs[3]), Saved::NOTHING, position(20)).await.unwrap();
    let store = db.store(LOG);
    let write = |(partition, events): (u32, &Vec<LoggedEvent>)| {
        store.write(partition, batch(events), Saved::NOTHING, position(20))
    };
    assert_all_but_partition_3_written(&db, join_all((0..).zip(&logs).map(write)).await).await;
    db.assert_is_fold_of(&logs.concat()).await;
    db.drop_it().await;
}

#[tokio::test]
async fn of_checkpoints_that_are_moved_together_each_is_compared() {
    let db = Db::new().await;
    let logs = in_partitions(8, 20);
    // All partitions but the last were begun, and in one somebody else is ahead.
    for (partition, events) in (0..).zip(&logs[..7]) {
        let begun = db.store(LOG).write(partition, batch(&events[..10]), Saved::NOTHING, position(10)).await.unwrap();
        if partition == 3 {
            db.store(LOG).write(3, batch(&events[10..]), begun, position(20)).await.unwrap();
        }
    }
    let store = db.store(LOG);
    let write = |(partition, events): (u32, &Vec<LoggedEvent>)| {
        let begun = Saved { position: position(10), revision: 1, begun: None };
        let (events, from) = if partition == 7 { (&events[..], Saved::NOTHING) } else { (&events[10..], begun) };
        store.write(partition, batch(events), from, position(20))
    };
    assert_all_but_partition_3_written(&db, join_all((0..).zip(&logs).map(write)).await).await;
    db.assert_is_fold_of(&logs.concat()).await;
    db.drop_it().await;
}

#[tokio::test]
async fn a_checkpoint_of_another_log_halts() {
    let db = Db::new().await;
    write(&db, &placed(Story::new(5, 1).take(3), 0)).await.unwrap();
    let other = db.store(LOG - 1).load(0).await;
    assert!(matches!(&other, Err(StoreFailure::Halt(why)) if why.contains("rebuild")), "{other:?}");
    db.drop_it().await;
}

#[tokio::test]
async fn who_begins_to_write_a_store_of_which_nothing_is_left_makes_its_indexes() {
    let db = Db::new().await;
    let indexes = async || db.posts().list_index_names().await.unwrap_or_default().len();
    let made = indexes().await;
    assert!(made > 1);
    db.database.drop().await.unwrap();
    assert_eq!(indexes().await, 0);
    let projection = Documents::new(db.store(LOG));
    assert_eq!(projection.load(0).await.unwrap(), Saved::NOTHING);
    assert_eq!(indexes().await, 0, "who only looks makes nothing");
    assert_eq!(projection.take_up(0).await.unwrap(), Saved::NOTHING);
    assert_eq!(indexes().await, made);
    db.drop_it().await;
}

#[tokio::test]
async fn a_slug_belongs_to_the_older_post_whatever_the_order() {
    let (older, younger) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let events = |id, offset| placed(post_events(id, vec![create("a", "a"), publish("a-00000000")]), offset);
    for order in [[older, younger], [younger, older]] {
        let db = Db::new().await;
        for (offset, id) in (0..).step_by(2).zip(order) {
            write(&db, &events(id, offset)).await.unwrap();
        }
        assert_eq!(db.documents().await.slugs["a-00000000"].post_id, older);
        db.drop_it().await;
    }
}

#[tokio::test]
async fn dates_before_1970_and_texts_like_operators_are_stored_as_they_are() {
    let db = Db::new().await;
    let id = Uuid::now_v7();
    let events = vec![create("$title", "$content"), publish("$slug"), title("$$ROOT")];
    let events = placed(post_events(id, events), 0);
    for one in events.chunks(1) {
        write(&db, one).await.unwrap();
    }
    let post = &db.documents().await.posts[&id];
    assert_eq!((post.title.as_str(), post.content.as_str()), ("$$ROOT", "$content"));
    assert_eq!(post.published_at.unwrap().to_rfc3339(), "1790-01-08T00:00:00+00:00");
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn a_batch_larger_than_a_command_may_be_is_one_transaction() {
    let db = Db::new().await;
    let content = "a".repeat(1 << 20);
    let mut events = Vec::new();
    for _ in 0..5 {
        events.extend(post_events(Uuid::now_v7(), vec![create("large", &content)]));
    }
    let events = placed(events, 0);
    write(&db, &events).await.unwrap();
    assert_eq!(db.store(LOG).load(0).await.unwrap().revision, 1);
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}
