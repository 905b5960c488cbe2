//! Readers that stop anywhere, and logs that are not the ones read before.

use std::time::Duration;

use event_log::kafka::ReadError;
use event_log::kafka::{CommitStream, KafkaConfig, KafkaLog, provision, read_partition};
use event_log::log::Log;
use event_log::position::Position;
use event_log::reader::{Commit, Halt};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use uuid::Uuid;

use super::driver::{Driver, event, fold};
use super::{log, soon};

/// Two owners in turn, commits of one to three records, one that is cut off, and records that nobody stamped.
pub async fn eventful(log: &KafkaLog) {
    for (generation, name) in [(1, "a"), (2, "b")] {
        let mut owner = Driver::serving(log, 0, name, generation).await;
        for number in 0..6 {
            let commit = Uuid::now_v7();
            owner.propose(commit, (0..=number % 3).map(|index| event(format!("{number}/{index}"))).collect());
            owner.until_released(commit).await;
            owner.log.append(0, 0, 1_000 + number, vec![event("nobody stamped this")]);
        }
        owner.propose(Uuid::now_v7(), vec![event("cut off"), event(vec![0; 8 * 1024 * 1024])]);
        owner.until("serving again", |told| matches!(told, event_log::owner::Told::Serving(_))).await;
    }
}

#[tokio::test]
async fn a_reader_stopped_at_any_offset_goes_on_as_if_it_had_not() {
    let (_, log) = log(1).await;
    eventful(&log).await;
    let whole: Vec<Commit> = fold(&log, 0).await.into_iter().flat_map(|delivery| delivery.commits).collect();
    let end = log.end_offsets().await.unwrap()[0];
    assert_eq!(whole.len(), 12);

    for stop in 0..=end {
        let mut commits = Vec::new();
        let first = read_partition(&log, 0, Position::START, stop, |d| commits.extend(d.commits));
        let position = soon("the stop", first).await.unwrap();
        let second = read_partition(&log, 0, position, end, |d| commits.extend(d.commits));
        soon("the end", second).await.unwrap();
        assert!(commits == whole, "stopped at offset {stop}");
    }
    log.close().await;
}

/// Deletes the events, makes their topic anew, and lets an owner fill it with `commits` commits.
pub async fn rewrite(config: &KafkaConfig, commits: usize) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let deleted = admin.delete_topics(&[&config.events_topic], &AdminOptions::new()).await.unwrap();
    assert!(deleted[0].is_ok(), "{deleted:?}");
    soon("the topic anew", async {
        // Deleting takes the broker a moment, in which the name can neither be used nor given anew.
        while let Err(error) = provision(config).await {
            println!("the topic is not there yet: {error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let log = KafkaLog::connect(config).unwrap();
    let mut owner = Driver::serving(&log, 0, "later", 1).await;
    for _ in 0..commits {
        let commit = Uuid::now_v7();
        owner.propose(commit, vec![event("another history")]);
        owner.until_released(commit).await;
    }
    drop(owner);
    log.close().await;
}

async fn read_before(log: &KafkaLog) -> Position {
    eventful(log).await;
    fold(log, 0).await.last().unwrap().position
}

async fn halt(config: &KafkaConfig, position: Position) -> Halt {
    let log = KafkaLog::connect(config).unwrap();
    let mut stream = CommitStream::open(&log, 0, position);
    let halt = soon("the halt", stream.next()).await.unwrap_err();
    assert_eq!(soon("the halt again", stream.next()).await.unwrap_err(), halt, "a halt is final");
    drop(stream);
    log.close().await;
    halt
}

#[tokio::test]
async fn a_log_rewritten_with_other_records_halts_the_reader() {
    let (config, log) = log(1).await;
    let position = read_before(&log).await;
    log.close().await;
    rewrite(&config, position.next_offset as usize + 5).await;
    let halt = halt(&config, position).await;
    assert!(matches!(halt, Halt::Rewritten { offset, .. } if offset + 1 == position.next_offset), "{halt}");
}

#[tokio::test]
async fn a_log_that_ends_before_the_position_halts_the_reader() {
    let (config, log) = log(1).await;
    let position = read_before(&log).await;
    log.close().await;
    rewrite(&config, 1).await;
    let halt = halt(&config, position).await;
    assert!(matches!(halt, Halt::OutOfRange { .. }), "{halt}");
}

#[tokio::test]
async fn a_bounded_read_from_beyond_the_end_halts_as_well() {
    let (_, log) = log(1).await;
    let mut position = read_before(&log).await;
    position.next_offset += 10;
    let end = log.end_offsets().await.unwrap()[0];
    let read = read_partition(&log, 0, position, end, |_| panic!("nothing can be delivered"));
    assert!(matches!(soon("the halt", read).await, Err(ReadError::Halt(Halt::OutOfRange { .. }))));
    log.close().await;
}
