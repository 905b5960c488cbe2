//! A log that is brought back from its archive.

use std::cell::Cell;

use event_log::kafka::{
    KafkaConfig, KafkaError, KafkaLog, Restore, RestoreError, Wanted, identify, provision, read_partition,
};
use event_log::position::Position;
use event_log::record::LogRecord;
use tokio::sync::Notify;
use uuid::Uuid;

use super::world::{Place, delete_topics, flip_a_byte, records};
use crate::kafka_log::driver::{Driver, commits, event};
use crate::kafka_log::resume::eventful;
use crate::kafka_log::{config, log, soon};

/// A log of two partitions with a history in the first, archived.
async fn archived() -> (KafkaConfig, KafkaLog, Place) {
    let (config, log) = log(2).await;
    eventful(&log).await;
    let place = Place::of(&config).await;
    place.take(&log, 0, 5).await;
    (config, log, place)
}

async fn restore(config: &KafkaConfig, place: &Place) -> Result<u64, RestoreError> {
    let restore = Restore::prepare(config, place.archive.clone(), Wanted::All).await?;
    restore.compare_held(|| {}).await?;
    Ok(restore.run(|| {}).await?.records)
}

async fn held(config: &KafkaConfig) -> Vec<LogRecord> {
    let log = KafkaLog::connect(config).unwrap();
    let records = records(&log, 0).await;
    log.close().await;
    records
}

#[tokio::test]
async fn a_restored_log_has_the_offsets_times_bytes_and_identity_of_the_one_archived_and_goes_on() {
    let (from, log, place) = archived().await;
    let raw = records(&log, 0).await;
    let end = raw.len() as u64;
    let stopped = read_partition(&log, 0, Position::START, end / 2, |_| {}).await.unwrap();
    let before = commits(&log, 0).await;
    let to = config(2);
    assert_eq!(restore(&to, &place).await.unwrap(), end);
    assert!(held(&to).await == raw);
    let (old, new) = (identify(&from).await.unwrap(), identify(&to).await.unwrap());
    assert_eq!(old, new);
    assert_eq!(provision(&to).await.unwrap(), old, "all topics are as they must be");

    // Whoever had read the old one goes on in the new one.
    let restored = KafkaLog::connect(&to).unwrap();
    soon("the end", read_partition(&restored, 0, stopped, end, |_| {})).await.unwrap();
    let mut owner = Driver::serving(&restored, 0, "new", 1).await;
    let commit = Uuid::now_v7();
    owner.propose(commit, vec![event("new")]);
    owner.until_released(commit).await;
    // A partition is read once at a time.
    drop(owner);
    assert_eq!(commits(&restored, 0).await, [before, vec![commit]].concat());
    let new = records(&restored, 0).await.pop().unwrap();
    assert!(new.timestamp > raw[0].timestamp, "it has the time of the broker");
    // And it is archived on.
    place.take(&restored, 0, 5).await;
    assert_eq!(place.archive.tip(0).await.unwrap().unwrap().manifest.end(), restored.end_offsets().await.unwrap()[0]);
    log.close().await;
    restored.close().await;
}

#[tokio::test]
async fn a_restored_log_has_everything_where_the_topics_were_deleted() {
    let (config, log, place) = archived().await;
    let raw = records(&log, 0).await;
    let identity = identify(&config).await.unwrap();
    log.close().await;
    delete_topics(&config, &[&config.events_topic, &config.log_topic]).await;
    assert_eq!(restore(&config, &place).await.unwrap(), raw.len() as u64);
    assert!(held(&config).await == raw);
    assert_eq!(identify(&config).await.unwrap(), identity);
}

#[tokio::test]
async fn an_interrupted_restore_is_used_by_nobody_and_goes_on_where_it_ended() {
    let (_, log, place) = archived().await;
    let raw = records(&log, 0).await;
    let to = config(2);
    let (told, enough) = (Cell::new(0), Notify::new());
    let interrupted = Restore::prepare(&to, place.archive.clone(), Wanted::All).await.unwrap().run(|| {
        told.set(told.get() + 1);
        if told.get() > raw.len() {
            enough.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = enough.notified() => {}
        // What is small may be through before it is looked at.
        restored = interrupted => drop(restored.unwrap()),
    }
    let again = Restore::prepare(&to, place.archive.clone(), Wanted::All).await.unwrap();
    if !again.look().is_complete {
        let refused = identify(&to).await.unwrap_err();
        assert!(matches!(refused, KafkaError::TopicSetting { setting: "message.timestamp.type", .. }), "{refused}");
        assert!(provision(&to).await.is_err());
        assert_eq!(again.look().partitions[0].held_to, raw.len() as u64, "all was written, and not compared yet");
    }
    restore(&to, &place).await.unwrap();
    assert!(held(&to).await == raw);
    identify(&to).await.unwrap();
    assert_eq!(restore(&to, &place).await.unwrap(), 0, "again, and nothing is left to do");
    log.close().await;
}

#[tokio::test]
async fn what_the_archive_has_beyond_a_beginning_that_is_the_same_is_written_behind_it() {
    let (from, log, place) = archived().await;
    let to = config(2);
    let first = restore(&to, &place).await.unwrap();
    eventful(&log).await;
    place.take(&log, 0, 5).await;
    let raw = records(&log, 0).await;
    assert_eq!(restore(&to, &place).await.unwrap(), raw.len() as u64 - first);
    assert!(held(&to).await == raw);
    assert_eq!(identify(&to).await.unwrap(), identify(&from).await.unwrap());
    log.close().await;
}

#[tokio::test]
async fn nothing_is_restored_over_another_history() {
    let (_, log, place) = archived().await;
    // Of another log: it has an identity of its own.
    let (other, others) = super::world_of_one_commit().await;
    let refused = restore(&other, &place).await.unwrap_err();
    assert!(matches!(&refused, RestoreError::Refused(why) if why.contains("the archive is of log")), "{refused}");

    // The same again without that.
    others.close().await;
    delete_topics(&other, &[&other.log_topic]).await;
    let before = held(&other).await;
    let refused = restore(&other, &place).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Differs { partition: 0, offset: 0, .. }), "{refused}");
    assert!(held(&other).await == before, "and it is as it was");
    log.close().await;
}

#[tokio::test]
async fn a_topic_that_has_more_than_the_archive_is_refused() {
    let (config, log, place) = archived().await;
    eventful(&log).await;
    let refused = restore(&config, &place).await.unwrap_err();
    assert!(matches!(&refused, RestoreError::Refused(why) if why.contains("and the archive at")), "{refused}");
    log.close().await;
}

#[tokio::test]
async fn a_damaged_archive_is_not_restored_past_the_damage() {
    let (_, log, place) = archived().await;
    flip_a_byte(&place.files(0)[1]);
    let to = config(2);
    let refused = restore(&to, &place).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Archive(_)), "{refused}");
    assert!(identify(&to).await.is_err(), "and what is half there is used by nobody");
    log.close().await;
}
