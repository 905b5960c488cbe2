//! The store alone: rows, what is counted of them, and positions.

use chrono::{DateTime, Duration, Utc};
use event_schema::person::PersonCreated;
use event_schema::post::{PostCreated, PostPublished, PostType};
use futures::future::join_all;
use projectors::event::LoggedEvent;
use projectors::projection::{Saved, StoreFailure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use read_model::analytics::migrations::applied;
use read_model::analytics::rows::{Millis, PostRow};
use uuid::Uuid;

use super::world::{Db, NAMES, changes, position, prepare, take};
use crate::ledger::histories::{Happened, Story, meta, placed};

const LOG: u64 = u64::MAX - 1;

fn people(count: u64, at: impl Fn(u64) -> DateTime<Utc>) -> Vec<LoggedEvent> {
    let person = |number| {
        let event = PersonCreated { name: format!("Person {number}") }.into();
        Happened { meta: meta(Uuid::now_v7(), 1, &event, at(number)), event }
    };
    placed((0..count).map(person).collect(), 0)
}

#[tokio::test]
async fn rows_statistics_and_their_position_are_stored() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(1, 3), 40), 5);
    let saved = db.write(LOG, &events).await.unwrap();
    assert_eq!(saved, Saved { position: position(45), revision: 1, begun: None });
    let store = db.store(LOG);
    assert_eq!(store.load(0).await.unwrap(), saved);
    assert_eq!(store.load(1).await.unwrap(), Saved::NOTHING, "partitions have positions of their own");
    db.assert_is_fold_of(&events).await;
    let users = db.number("SELECT uniqMerge(users) AS number FROM events_hourly").await;
    assert!(users > 1, "the story has people in it");
    let other_log = db.store(7).load(0).await;
    assert!(matches!(other_log, Err(StoreFailure::Halt(why)) if why.contains("is of the log")));
    db.drop_it().await;
}

#[tokio::test]
async fn interleaved_aggregates_in_batches_of_any_size_lead_to_the_fold() {
    for seed in 0..2 {
        let db = Db::new().await;
        let mut rng = StdRng::seed_from_u64(seed);
        let events = placed(take(&mut Story::new(seed, 8), 300), 0);
        let mut rest = &events[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rng.random_range(1..=rest.len().min(90)));
            db.write(LOG, now).await.unwrap();
            rest = later;
        }
        db.assert_is_fold_of(&events).await;
        db.drop_it().await;
    }
}

#[tokio::test]
async fn applying_a_batch_twice_changes_nothing() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(2, 4), 60), 0);
    let (first, second) = events.split_at(25);
    db.write(LOG, first).await.unwrap();
    let store = db.store(LOG);
    let from = store.load(0).await.unwrap();
    let once = store.write(0, changes(second), from, position(60)).await.unwrap();
    let again = store.write(0, changes(second), from, position(60)).await;
    assert_eq!(again, Err(StoreFailure::Superseded), "the position has moved");
    assert_eq!(store.load(0).await.unwrap(), once);
    db.assert_is_fold_of(&events).await;

    // Also where nothing stands in the way but the tokens, as for an insert that was on its way for long.
    for insert in store.inserts(0, &changes(second), from, position(60)) {
        store.insert(&insert).await.unwrap();
    }
    db.assert_is_fold_of(&events).await;
    // And merged.
    for table in [NAMES.events(), NAMES.hourly(), NAMES.posts(), NAMES.authors(), NAMES.responses()] {
        db.clickhouse.run(&format!("OPTIMIZE TABLE {table} FINAL")).await.unwrap();
    }
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn a_batch_that_touches_two_months_is_a_block_in_each() {
    let db = Db::new().await;
    let first_of_month = {
        let now = Utc::now().date_naive();
        let day = chrono::Datelike::with_day(&now, 1).unwrap();
        day.and_hms_opt(0, 0, 0).unwrap().and_utc()
    };
    let events = people(10, |number| first_of_month + Duration::milliseconds(number as i64 - 5));
    db.write(LOG, &events).await.unwrap();
    db.assert_is_fold_of(&events).await;
    let parts = "SELECT count() AS number FROM system.parts WHERE database = currentDatabase() AND active \
                 AND rows = 5 AND table = 'events_analytics_v1'";
    assert_eq!(db.number(parts).await, 2);
    db.drop_it().await;
}

#[tokio::test]
async fn the_largest_batch_is_one_block() {
    let db = Db::new().await;
    let now = Utc::now();
    let events = people(10_000, |_| now);
    db.write(LOG, &events).await.unwrap();
    let blocks = "SELECT count() AS number FROM system.parts WHERE database = currentDatabase() \
                  AND table = 'events_analytics_v1' AND rows = 10000 AND level = 0";
    assert_eq!(db.number(blocks).await, 1);
    let store = db.store(LOG);
    for insert in store.inserts(0, &changes(&events), Saved::NOTHING, position(10_000)) {
        store.insert(&insert).await.unwrap();
    }
    assert_eq!(db.number("SELECT count() AS number FROM events_analytics").await, 10_000);
    assert_eq!(db.number("SELECT countMerge(events) AS number FROM events_hourly").await, 10_000);
    db.drop_it().await;
}

/// A post that is created, and then published.
fn published_post(id: Uuid, published: DateTime<Utc>) -> Vec<LoggedEvent> {
    let created = PostCreated {
        post_type: PostType::Article,
        title: "An address".to_owned(),
        content: "Fellow citizens".to_owned(),
        excerpt: String::new(),
        tags: Vec::new(),
        category: String::new(),
        media: Vec::new(),
        author_id: Uuid::from_u128(1).into(),
        published_at: None,
    };
    let publish = PostPublished { slug: "an-address".to_owned(), published_at: published, scheduled: false };
    let happened = [created.into(), publish.into()];
    let happened =
        (1..).zip(happened).map(|(version, event)| Happened { meta: meta(id, version, &event, Utc::now()), event });
    placed(happened.collect(), 0)
}

#[test]
fn what_a_batch_says_of_one_post_is_one_row() {
    let events = published_post(Uuid::now_v7(), Utc::now());
    let posts = |events| changes(events).batch.posts.clone();
    let (both, [created], [published]) = (posts(&events), &posts(&events[..1])[..], &posts(&events[1..])[..]) else {
        panic!("each event has a row")
    };
    let expected = PostRow {
        slug: published.slug.clone(),
        status: published.status.clone(),
        published_at: published.published_at,
        ..created.clone()
    };
    assert_eq!(both, [expected]);
}

#[tokio::test]
async fn a_time_of_1790_comes_back_exactly() {
    let db = Db::new().await;
    let published: DateTime<Utc> = "1790-01-01T00:00:00.001Z".parse().unwrap();
    let id = Uuid::now_v7();
    let events = published_post(id, published);
    db.write(LOG, &events[..1]).await.unwrap();
    assert_eq!(db.everything().await.posts[&id].published_at, None);
    db.write(LOG, &events[1..]).await.unwrap();
    db.clickhouse.run(&format!("OPTIMIZE TABLE {} FINAL", NAMES.posts())).await.unwrap();
    assert_eq!(db.everything().await.posts[&id].published_at, Some(Millis::from(published)));
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn a_table_that_is_gone_halts_and_says_what_to_do() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(3, 3), 10), 0);
    db.clickhouse.run(&format!("DROP TABLE {}", NAMES.events())).await.unwrap();
    let refused = db.write(LOG, &events).await;
    assert!(matches!(&refused, Err(StoreFailure::Halt(why)) if why.contains("rebuild")), "{refused:?}");
    db.drop_it().await;
}

#[tokio::test]
async fn migrations_are_applied_once_however_many_start_at_once() {
    let db = Db::new().await;
    db.clickhouse.drop_database().await.unwrap();
    for result in join_all((0..4).map(|_| prepare(&db.address))).await {
        result.unwrap();
    }
    let numbers = async || applied(&db.clickhouse).await.unwrap().iter().map(|found| found.number).collect::<Vec<_>>();
    assert_eq!(numbers().await, [1, 2, 3, 4, 5]);
    let events = placed(take(&mut Story::new(4, 3), 20), 0);
    db.write(LOG, &events).await.unwrap();
    prepare(&db.address).await.unwrap();
    assert_eq!(numbers().await, [1, 2, 3, 4, 5]);
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}
