//! A projector that is gone after any step of a write, and one that goes on where it should not.

use std::sync::Arc;

use chrono::Utc;
use event_log::record::{Headers, LogRecord};
use futures::future::join_all;
use projectors::analytics::batch::Batch;
use projectors::analytics::fold::expected;
use projectors::analytics::inserts::Rows;
use projectors::dead_letter::{DeadLetter, Standing};
use projectors::event::LoggedEvent;
use projectors::projection::{Changes, Cleared, Saved, StoreFailure};
use read_model::analytics::rows::ROWS_ALONE;
use read_model::{Versions, versions};

use super::world::{Db, NAMES, changes, position, prepare, take};
use crate::ledger::histories::{Story, placed};

const LOG: u64 = 7;

#[tokio::test]
async fn a_batch_that_was_cut_off_anywhere_is_redone_with_the_same_bounds() {
    let events = placed(take(&mut Story::new(41, 5), 80), 0);
    let (before, batch) = events.split_at(30);
    let to = position(80);
    for done in 0.. {
        let db = Db::new().await;
        db.write(LOG, before).await.unwrap();
        let dying = db.store(LOG);
        let from = dying.load(0).await.unwrap();
        dying.begin(0, from, to).await.unwrap();
        let changes = changes(batch);
        let inserts = dying.inserts(0, &changes, from, to);
        assert!(inserts.len() >= 3, "facts, and events of two months");
        for insert in inserts.iter().take(done) {
            dying.insert(insert).await.unwrap();
        }

        let next = db.store(LOG);
        let found = next.load(0).await.unwrap();
        assert_eq!(found, Saved { begun: Some(80), ..from });
        let saved = next.write(0, changes.clone(), found, to).await.unwrap();
        assert_eq!(next.load(0).await.unwrap(), saved);
        db.assert_is_fold_of(&events).await;

        // What the dead one still had on its way.
        for insert in &inserts {
            dying.insert(insert).await.unwrap();
        }
        dying.finish(0, from, to, false).await.unwrap();
        assert_eq!(next.load(0).await.unwrap(), saved);
        db.assert_is_fold_of(&events).await;
        db.drop_it().await;
        if done == inserts.len() {
            break;
        }
    }
}

#[tokio::test]
async fn what_a_view_had_not_come_to_is_made_up_for() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(42, 5), 40), 0);
    // A view that fails leaves the rows in the table, and nothing in the statistics.
    let view = "events_to_hourly_v1";
    let show = format!("SHOW CREATE TABLE {view}");
    let definition =
        String::from_utf8(db.clickhouse.query(&show).fetch_bytes("RawBLOB").unwrap().collect().await.unwrap().to_vec())
            .unwrap();
    db.clickhouse.run(&format!("DROP TABLE {view}")).await.unwrap();
    let failing = definition.replace("WHERE ", "WHERE throwIf(offset = 39) = 0 AND ");
    db.clickhouse.run(&failing).await.unwrap();
    let failed = db.write(LOG, &events).await;
    assert!(matches!(&failed, Err(StoreFailure::Halt(why)) if why.contains("throwIf")), "{failed:?}");

    db.clickhouse.run(&format!("DROP TABLE {view}")).await.unwrap();
    db.clickhouse.run(&definition).await.unwrap();
    db.write(LOG, &events).await.unwrap();
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn of_two_writers_of_one_position_one_sets_the_bounds() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(43, 4), 60), 0);
    let [one, other] = [db.store(LOG), db.store(LOG)];
    let (first, second) = tokio::join!(
        one.write(0, changes(&events[..40]), Saved::NOTHING, position(40)),
        other.write(0, changes(&events), Saved::NOTHING, position(60)),
    );
    let superseded = [&first, &second].iter().filter(|result| ***result == Err(StoreFailure::Superseded)).count();
    assert_eq!(superseded, 1, "{first:?} {second:?}");
    let end = db.store(LOG).load(0).await.unwrap().position.next_offset;
    db.assert_is_fold_of(&events[..usize::try_from(end).unwrap()]).await;
    if end < 60 {
        db.write(LOG, &events[40..]).await.unwrap();
    }
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn a_writer_takes_over_the_bounds_that_another_one_has_set_and_one_that_comes_late_writes_nothing() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(44, 4), 60), 0);
    let [zombie, owner] = [db.store(LOG), db.store(LOG)];
    // The owner has looked before the zombie began.
    let seen = owner.load(0).await.unwrap();
    zombie.begin(0, seen, position(40)).await.unwrap();
    let refused = owner.write(0, changes(&events), seen, position(60)).await;
    assert_eq!(refused, Err(StoreFailure::Superseded));
    assert_eq!(db.everything().await.events.len(), 0);

    let found = owner.load(0).await.unwrap();
    assert_eq!(found.begun, Some(40));
    let wrong = owner.write(0, changes(&events), found, position(60)).await;
    assert!(matches!(wrong, Err(StoreFailure::Halt(_))), "{wrong:?}");
    let saved = owner.write(0, changes(&events[..40]), found, position(40)).await.unwrap();
    owner.write(0, changes(&events[40..]), saved, position(60)).await.unwrap();

    let late = zombie.write(0, changes(&events[..40]), seen, position(40)).await;
    assert_eq!(late, Err(StoreFailure::Superseded));
    let late = zombie.write(0, changes(&events[..50]), seen, position(50)).await;
    assert_eq!(late, Err(StoreFailure::Superseded));
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

/// As after a kill of the server between its note of a token and the rows.
async fn lose(db: &Db, table: &str, which: &str) {
    let lose = format!("ALTER TABLE {table} DELETE WHERE {which} SETTINGS mutations_sync = 2");
    db.clickhouse.run(&lose).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_server_has_lost_with_its_tokens_is_made_up_for() {
    let (rows, statistics) = (NAMES.events(), NAMES.hourly());
    let facts = [NAMES.posts(), NAMES.authors(), NAMES.responses()];
    let both = [rows.clone(), statistics.clone()];
    let everything = facts.iter().chain(&both).cloned().collect::<Vec<_>>();
    for (partition, lost) in (0..).zip([&both[..1], &both[1..], &both, &facts, &everything]) {
        let db = Db::new().await;
        let events: Vec<_> = placed(take(&mut Story::new(47, 4), 40), 0)
            .into_iter()
            .map(|event| LoggedEvent { partition, ..event })
            .collect();
        let (dying, to, changes) = (db.store(LOG), position(40), changes(&events));
        dying.begin(partition, Saved::NOTHING, to).await.unwrap();
        let inserts = dying.inserts(partition, &changes, Saved::NOTHING, to);
        for insert in &inserts {
            dying.insert(insert).await.unwrap();
        }
        for table in lost {
            lose(&db, table, "1").await;
        }
        for insert in inserts.iter().filter(|insert| insert.token.is_some()) {
            dying.insert(insert).await.unwrap();
        }
        for table in lost {
            let there = db.number(&format!("SELECT count() AS number FROM {table}")).await;
            assert_eq!(there, 0, "{table} takes a token again");
        }

        let next = db.store(LOG);
        let found = next.load(partition).await.unwrap();
        let saved = next.write(partition, changes.clone(), found, to).await.unwrap();
        assert_eq!(next.load(partition).await.unwrap(), saved);
        db.assert_is_fold_of(&events).await;
        // What the dead one still had on its way.
        for insert in &inserts {
            dying.insert(insert).await.unwrap();
        }
        db.assert_is_fold_of(&events).await;
        db.drop_it().await;
    }
}

#[tokio::test]
async fn a_record_that_a_killed_server_has_lost_with_its_token_is_made_again() {
    let events = placed(take(&mut Story::new(48, 4), 60), 0);
    let db = Db::new().await;
    let store = db.store(LOG);
    store.begin(0, Saved::NOTHING, position(40)).await.unwrap();
    lose(&db, &NAMES.checkpoints(), "kind = 'begun'").await;
    // Whoever comes next knows nothing of the bounds, and may set others.
    let next = db.store(LOG);
    let found = next.load(0).await.unwrap();
    assert_eq!(found, Saved::NOTHING);
    let saved = next.write(0, changes(&events[..50]), found, position(50)).await.unwrap();
    let late = store.write(0, changes(&events[..40]), Saved::NOTHING, position(40)).await;
    assert_eq!(late, Err(StoreFailure::Superseded));

    lose(&db, &NAMES.checkpoints(), "kind = 'done'").await;
    let found = next.load(0).await.unwrap();
    assert_eq!(found, Saved { begun: Some(50), ..Saved::NOTHING });
    assert_eq!(next.write(0, changes(&events[..50]), found, position(50)).await.unwrap(), saved);
    assert_eq!(next.load(0).await.unwrap(), saved);
    db.write(LOG, &events[50..]).await.unwrap();
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn a_promotion_that_a_killed_server_has_lost_with_its_token_is_made_again() {
    let db = Db::new().await;
    let first = versions::analytics::load(&db.clickhouse).await.unwrap();
    let second = Versions { rev: first.rev + 1, ..first.clone() };
    assert!(versions::analytics::replace(&db.clickhouse, &second).await.unwrap());
    lose(&db, &NAMES.checkpoints(), "kind = 'versions'").await;
    assert!(versions::analytics::replace(&db.clickhouse, &second).await.unwrap());
    assert_eq!(versions::analytics::load(&db.clickhouse).await.unwrap(), second);
    db.drop_it().await;
}

#[tokio::test]
async fn rows_that_a_redone_batch_should_find_and_does_not_halt() {
    let events = placed(take(&mut Story::new(45, 4), 40), 0);
    for same_process in [false, true] {
        let db = Db::new().await;
        let (store, to) = (db.store(LOG), position(40));
        store.begin(0, Saved::NOTHING, to).await.unwrap();
        let changes = changes(&events);
        for insert in store.inserts(0, &changes, Saved::NOTHING, to) {
            store.insert(&insert).await.unwrap();
        }
        lose(&db, &NAMES.events(), "offset = 20").await;
        // Whoever was not answered tries again from where he was; who comes after him asks where that is.
        let (store, from) = if same_process {
            (store, Saved::NOTHING)
        } else {
            let next = db.store(LOG);
            let found = next.load(0).await.unwrap();
            (next, found)
        };
        let redone = store.write(0, changes, from, to).await;
        assert!(
            matches!(&redone, Err(StoreFailure::Halt(why)) if why.starts_with("39 rows are there of the 40")),
            "{redone:?}"
        );
        db.drop_it().await;
    }
}

#[tokio::test]
async fn what_was_kept_and_not_counted_is_counted_whatever_other_partitions_have_reached() {
    let db = Db::new().await;
    let happened = take(&mut Story::new(49, 4), 60);
    let of = |partition: u32, count: usize| -> Vec<LoggedEvent> {
        placed(happened[..count].to_vec(), 0).into_iter().map(|event| LoggedEvent { partition, ..event }).collect()
    };
    // Another partition is further in every hour, type and country.
    let (further, events) = (of(1, 60), of(0, 40));
    db.store(LOG).write(1, changes(&further), Saved::NOTHING, position(60)).await.unwrap();
    let (dying, to, changes) = (db.store(LOG), position(40), changes(&events));
    dying.begin(0, Saved::NOTHING, to).await.unwrap();
    for insert in dying.inserts(0, &changes, Saved::NOTHING, to) {
        match &insert.rows {
            Rows::Events(rows) => {
                let token = insert.token.as_deref().unwrap();
                db.clickhouse.insert_commented(&insert.table, token, ROWS_ALONE, rows).await.unwrap();
            }
            _ => dying.insert(&insert).await.unwrap(),
        }
    }
    db.clickhouse.run(&format!("OPTIMIZE TABLE {} FINAL", NAMES.hourly())).await.unwrap();
    // Two who believe that it is theirs.
    let redo = async || {
        let store = db.store(LOG);
        let found = store.load(0).await?;
        store.write(0, changes.clone(), found, to).await
    };
    let done = join_all((0..4).map(|_| redo())).await;
    assert!(done.iter().any(Result::is_ok), "{done:?}");
    assert!(done.iter().all(|one| one.is_ok() || *one == Err(StoreFailure::Superseded)), "{done:?}");
    let all: Vec<_> = further.iter().chain(&events).cloned().collect();
    assert_eq!(db.everything().await.hourly, expected(&all).hourly);
    assert_eq!(db.number(&format!("SELECT count() AS number FROM {}", NAMES.events())).await, 100);
    db.drop_it().await;
}

#[tokio::test]
async fn whoever_was_held_up_cannot_say_that_a_batch_is_done_which_another_one_redoes() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(50, 4), 40), 0);
    let (held_up, to, changes) = (db.store(LOG), position(40), changes(&events));
    assert!(!held_up.begin(0, Saved::NOTHING, to).await.unwrap());
    // Another one has looked before it was begun, and wants the same bounds.
    let other = db.store(LOG);
    assert!(other.begin(0, Saved::NOTHING, to).await.unwrap(), "it was begun before");
    let inserts = other.inserts(0, &changes, Saved::NOTHING, to);
    for insert in &inserts {
        other.insert(insert).await.unwrap();
    }
    // The server was killed in its inserts, and goes on with the first one.
    for table in [NAMES.events(), NAMES.hourly()] {
        lose(&db, &table, "1").await;
    }
    for insert in &inserts {
        held_up.insert(insert).await.unwrap();
    }
    held_up.finish(0, Saved::NOTHING, to, false).await.unwrap();

    let next = db.store(LOG);
    let found = next.load(0).await.unwrap();
    assert_eq!(found, Saved { begun: Some(40), ..Saved::NOTHING });
    next.write(0, changes, found, to).await.unwrap();
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}

#[tokio::test]
async fn who_is_ahead_of_what_is_recorded_leaves_nothing_behind() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(51, 4), 40), 0);
    let store = db.store(LOG);
    // As after a loss of the database, which others have made anew.
    let from = Saved { position: position(20), revision: 7, begun: None };
    assert_eq!(store.write(0, changes(&events[20..]), from, position(40)).await, Err(StoreFailure::Superseded));
    assert_eq!(store.load(0).await.unwrap(), Saved::NOTHING);
    db.write(LOG, &events).await.unwrap();
    db.assert_is_fold_of(&events).await;

    let checkpoints = NAMES.checkpoints();
    let later = "9 AS revision, replaceOne(checkpoint, '\"rev\":1', '\"rev\":9') AS checkpoint";
    let ahead = format!("INSERT INTO {checkpoints} SELECT * REPLACE ({later}) FROM {checkpoints} WHERE kind = 'begun'");
    db.clickhouse.run(&ahead).await.unwrap();
    let refused = store.load(0).await;
    assert!(matches!(&refused, Err(StoreFailure::Halt(why)) if why.contains("no more than 1 as done")), "{refused:?}");
    db.drop_it().await;
}

#[tokio::test]
async fn who_was_held_up_while_the_tables_were_lost_cannot_hide_what_is_missing() {
    // How many batches others have begun in the new tables when he goes on: of a lower revision, and of the same one.
    for begun_by_others in [1, 2] {
        let db = Db::new().await;
        let events = placed(take(&mut Story::new(52, 4), 60), 0);
        let from = db.write(LOG, &events[..20]).await.unwrap();
        let (held_up, to) = (db.store(LOG), position(40));
        assert!(!held_up.begin(0, from, to).await.unwrap());
        db.clickhouse.drop_database().await.unwrap();
        prepare(&db.address).await.unwrap();
        let other = db.store(LOG);
        let beginning = other.write(0, changes(&events[..10]), Saved::NOTHING, position(10)).await.unwrap();
        if begun_by_others == 2 {
            other.begin(0, beginning, position(20)).await.unwrap();
        }
        let done = held_up.finish(0, from, to, false).await.unwrap();

        let halted = |result: &Result<_, StoreFailure>| matches!(result, Err(StoreFailure::Halt(why)) if why.contains("up to 40 is recorded as done and was never begun"));
        let found = other.load(0).await.map(drop);
        assert!(halted(&found), "{found:?}");
        for (store, from, to) in [(&other, beginning, position(20)), (&held_up, done, position(60))] {
            let begun = store.begin(0, from, to).await.map(drop);
            assert!(halted(&begun), "{begun:?}");
        }
        db.drop_it().await;
    }
}

fn letter(offset: u64) -> DeadLetter {
    let record = LogRecord {
        partition: 0,
        offset,
        timestamp: Utc::now().timestamp_millis(),
        key: Some("k".into()),
        value: Some(vec![0, 1].into()),
        headers: Headers::default(),
    };
    DeadLetter::poison(record, "it cannot be read".to_owned())
}

#[tokio::test]
async fn a_retry_that_was_cut_off_counts_nothing_twice_and_loses_no_letter() {
    let db = Db::new().await;
    let events = placed(take(&mut Story::new(46, 1), 3), 0);
    let store = db.store(LOG);
    let letters = vec![letter(0), letter(1), letter(2)];
    let parked = Changes { letters, ..Changes::from(Arc::new(Batch::default())) };
    let at = store.write(0, parked.clone(), Saved::NOTHING, position(3)).await.unwrap();
    // The rows of the first two are there, and the letters as well.
    let cleared = |through| Some(Cleared { key: "k".to_owned(), through, rest_waits: true });
    let retried = Changes { cleared: cleared(1), ..changes(&events[..2]) };
    store.begin(0, at, at.position).await.unwrap();
    for insert in store.inserts(0, &retried, at, at.position) {
        store.insert(&insert).await.unwrap();
    }

    let found = store.load(0).await.unwrap();
    assert_eq!(found.begun, Some(3));
    let nothing = Changes::from(Arc::new(Batch::default()));
    let at = store.write(0, nothing, found, at.position).await.unwrap();
    assert_eq!(store.dead_letters().of_key(None, "k", 10).await.unwrap().len(), 3);
    // Another retry takes all three, and the last one cannot be projected.
    let left = vec![DeadLetter { reason: "still".to_owned(), ..letter(2) }];
    let again = Changes { cleared: cleared(2), letters: left.clone(), ..changes(&events[..2]) };
    let at = store.write(0, again, at, at.position).await.unwrap();
    assert_eq!(store.dead_letters().of_key(None, "k", 10).await.unwrap(), left);
    db.assert_is_fold_of(&events[..2]).await;

    assert!(store.dead_letters().order("k", Standing::Retry).await.unwrap());
    let last = Changes { cleared: cleared(2), ..changes(&events[2..]) };
    store.write(0, last, at, at.position).await.unwrap();
    assert_eq!(store.dead_letters().parked(None).await.unwrap(), []);
    db.assert_is_fold_of(&events).await;
    db.drop_it().await;
}
