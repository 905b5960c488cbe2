//! Readers of a log whose beginning was deleted from the cluster.

use event_log::kafka::{
    CommitStream, KafkaConfig, KafkaError, KafkaLog, ReadError, RecordStream, Retention, read_all, read_partition,
};
use event_log::position::Position;
use event_log::reader::{Commit, Halt};

use super::world::{Place, flip_a_byte, records};
use crate::kafka_log::driver::{Driver, commits, event, fold};
use crate::kafka_log::resume::{eventful, rewrite};
use crate::kafka_log::{log, soon};

/// In so many records that some ranges end inside a commit.
const IN_A_RANGE: u64 = 4;

async fn all_commits(log: &KafkaLog) -> Vec<Commit> {
    fold(log, 0).await.into_iter().flat_map(|delivery| delivery.commits).collect()
}

async fn delete_before(config: &KafkaConfig, offset: u64) {
    Retention::connect(config).unwrap().delete_before(0, offset).await.unwrap();
}

/// A log with a history, archived.
async fn archived() -> (KafkaConfig, KafkaLog, Place) {
    let (config, log) = log(1).await;
    eventful(&log).await;
    let place = Place::of(&config).await;
    place.take(&log, 0, IN_A_RANGE).await;
    (config, log, place)
}

/// Reads from the beginning until the reader halts.
async fn halt(config: &KafkaConfig) -> (Vec<Commit>, Halt) {
    let log = KafkaLog::connect(config).unwrap();
    let mut stream = CommitStream::open(&log, 0, Position::START);
    let mut commits = Vec::new();
    let halt = loop {
        match soon("the halt", stream.next()).await {
            Ok(delivery) => commits.extend(delivery.unwrap().commits),
            Err(halt) => break halt,
        }
    };
    drop(stream);
    log.close().await;
    (commits, halt)
}

#[tokio::test]
async fn what_was_deleted_is_read_from_the_archive_and_the_rest_from_the_log_without_a_seam() {
    let (config, log, place) = archived().await;
    let (whole, raw) = (all_commits(&log).await, records(&log, 0).await);
    let end = raw.len() as u64;
    let beside = KafkaLog::connect(&place.beside(&config)).unwrap();
    for low in [1, end / 3, end / 2, end - 1, end] {
        delete_before(&config, low).await;
        assert_eq!(log.bounds(0).await.unwrap(), low..end);
        assert!(all_commits(&beside).await == whole, "deleted before {low} of {end}");
        assert!(records(&beside, 0).await == raw, "deleted before {low} of {end}");
        let positions = soon("the end", read_all(&beside, |_, _| {})).await.unwrap();
        assert!(positions[0].next_offset > 0);
    }
    log.close().await;
    beside.close().await;
}

#[tokio::test]
async fn a_reader_that_stopped_at_any_offset_before_goes_on_through_the_archive() {
    let (config, log, place) = archived().await;
    let whole = all_commits(&log).await;
    let end = log.end_offsets().await.unwrap()[0];
    let mut stopped = Vec::new();
    for stop in 0..=end {
        let mut commits = Vec::new();
        let read = read_partition(&log, 0, Position::START, stop, |delivery| commits.extend(delivery.commits));
        stopped.push((soon("the stop", read).await.unwrap(), commits));
    }
    delete_before(&config, end * 2 / 3).await;
    let beside = KafkaLog::connect(&place.beside(&config)).unwrap();
    for (position, mut commits) in stopped {
        let read = read_partition(&beside, 0, position, end, |delivery| commits.extend(delivery.commits));
        soon("the end", read).await.unwrap();
        assert!(commits == whole, "{position:?}");
    }
    log.close().await;
    beside.close().await;
}

#[tokio::test]
async fn records_that_are_deleted_while_a_reader_is_behind_come_from_the_archive() {
    let (config, log, place) = archived().await;
    let raw = records(&log, 0).await;
    let beside = KafkaLog::connect(&place.beside(&config)).unwrap();
    let mut stream = RecordStream::open(&beside, 0, 0).limits(1, 1);
    let mut got = vec![soon("the first", stream.next()).await.unwrap().unwrap().records.remove(0)];
    delete_before(&config, raw.len() as u64 - 2).await;
    // What the client had read ahead may still come; this asks for what is gone for sure.
    stream.rewind(1);
    while got.len() < raw.len() {
        got.extend(soon("the next", stream.next()).await.unwrap().unwrap().records);
    }
    assert!(got == raw);
    drop(stream);
    // An owner that begins from nothing folds the archive, then the log, and writes on.
    let mut owner = Driver::serving(&beside, 0, "later", 9).await;
    let commit = uuid::Uuid::now_v7();
    owner.propose(commit, vec![event("later")]);
    owner.until_released(commit).await;
    drop(owner);
    assert_eq!(commits(&beside, 0).await.last(), Some(&commit));
    log.close().await;
    beside.close().await;
}

#[tokio::test]
async fn without_an_archive_a_reader_is_told_to_name_one() {
    let (config, log, _place) = archived().await;
    delete_before(&config, 3).await;
    let (commits, halt) = halt(&config).await;
    assert!(commits.is_empty() && matches!(halt, Halt::OutOfRange { offset: 0, .. }), "{halt}");
    assert!(halt.to_string().contains("GROOT_ARCHIVE"), "{halt}");
    log.close().await;
}

#[tokio::test]
async fn a_flipped_byte_halts_a_reader_before_any_record_of_that_file_and_names_it() {
    let (config, log, place) = archived().await;
    let end = log.end_offsets().await.unwrap()[0];
    let whole = all_commits(&log).await;
    delete_before(&config, end).await;
    let file = &place.files(0)[2];
    flip_a_byte(file);
    let (commits, halt) = halt(&place.beside(&config)).await;
    let before = whole.iter().filter(|commit| commit.last_offset() < 2 * IN_A_RANGE).count();
    assert!(commits == whole[..before], "{} and not {before}", commits.len());
    assert!(matches!(halt, Halt::Archive { offset, .. } if offset == 2 * IN_A_RANGE), "{halt}");
    let said = halt.to_string();
    let name = file.strip_prefix(place.directory.path()).unwrap().to_str().unwrap();
    assert!(said.contains(name) && said.contains("put a whole copy of it back"), "{said}");
    log.close().await;
}

#[tokio::test]
async fn a_hole_between_the_archive_and_the_log_halts_a_reader_and_the_missing_manifest_is_named() {
    let (config, log, place) = archived().await;
    let archived = log.end_offsets().await.unwrap()[0];
    eventful(&log).await;
    delete_before(&config, archived + 2).await;
    let (_, at_the_end) = halt(&place.beside(&config)).await;
    let missing = format!("manifests/00000/{archived:020}.json is missing");
    assert!(matches!(at_the_end, Halt::Archive { offset, .. } if offset == archived), "{at_the_end}");
    assert!(at_the_end.to_string().contains(&missing), "{at_the_end}");

    let manifest = place.directory.path().join(format!("manifests/00000/{:020}.json", IN_A_RANGE));
    std::fs::remove_file(manifest).unwrap();
    let (_, inside) = halt(&place.beside(&config)).await;
    assert!(matches!(inside, Halt::Archive { offset: IN_A_RANGE, .. }), "{inside}");
    log.close().await;
}

#[tokio::test]
async fn a_log_that_ends_before_a_position_is_never_read_over_with_the_help_of_an_archive() {
    let (config, log, place) = archived().await;
    let end = log.end_offsets().await.unwrap()[0];
    let mut position = fold(&log, 0).await.last().unwrap().position;
    let beside = KafkaLog::connect(&place.beside(&config)).unwrap();
    position.next_offset = end + 10;
    let read = read_partition(&beside, 0, position, end, |_| panic!("nothing can be delivered"));
    let halt = soon("the halt", read).await;
    assert!(matches!(halt, Err(ReadError::Halt(Halt::OutOfRange { .. }))), "{halt:?}");
    log.close().await;
    beside.close().await;
}

#[tokio::test]
async fn a_log_with_another_history_behind_what_the_archive_has_halts_a_reader() {
    let (config, log, place) = archived().await;
    let archived = log.end_offsets().await.unwrap()[0];
    log.close().await;
    // The identity of the log is left as it was.
    rewrite(&config, archived as usize + 5).await;
    delete_before(&config, archived - 1).await;
    let (_, halt) = halt(&place.beside(&config)).await;
    assert!(matches!(halt, Halt::Rewritten { offset, .. } if offset + 1 == archived), "{halt}");
}

#[tokio::test]
async fn where_the_archive_is_first_all_it_has_is_read_from_there_and_the_log_from_its_end_on() {
    let (config, log, place) = archived().await;
    let archived = log.end_offsets().await.unwrap()[0];
    eventful(&log).await;
    let (whole, raw) = (all_commits(&log).await, records(&log, 0).await);
    let end = raw.len() as u64;
    let first = KafkaLog::connect(&place.before(&config)).unwrap();
    assert_eq!(log.bounds(0).await.unwrap(), 0..end, "the cluster holds everything");
    assert!(records(&first, 0).await == raw);
    for stop in [0, 1, archived - 1, archived, archived + 1, end] {
        let mut commits = Vec::new();
        let read = read_partition(&log, 0, Position::START, stop, |delivery| commits.extend(delivery.commits));
        let position = soon("the stop", read).await.unwrap();
        let read = read_partition(&first, 0, position, end, |delivery| commits.extend(delivery.commits));
        soon("the end", read).await.unwrap();
        assert!(commits == whole, "stopped at {stop} of {end}, archived to {archived}");
    }
    first.close().await;
    // What is not there is missed, though the cluster has it; what stands behind it is not.
    for file in place.files(0) {
        std::fs::remove_file(file).unwrap();
    }
    let (commits, halt) = halt(&place.before(&config)).await;
    assert!(commits.is_empty() && matches!(halt, Halt::Archive { offset: 0, .. }), "{halt}");
    let first = KafkaLog::connect(&place.before(&config)).unwrap();
    let mut stream = RecordStream::open(&first, 0, archived);
    assert!(soon("the rest", stream.through(end)).await.unwrap().unwrap().records == raw[archived as usize..]);
    drop(stream);
    first.close().await;
    log.close().await;
}

#[tokio::test]
async fn where_the_archive_is_first_a_log_that_is_another_one_behind_it_or_ends_before_it_halts_a_reader() {
    let (config, log, place) = archived().await;
    let archived = log.end_offsets().await.unwrap()[0];
    log.close().await;
    // The identity of the log is left as it was.
    rewrite(&config, archived as usize + 5).await;
    let (_, another) = halt(&place.before(&config)).await;
    assert!(matches!(another, Halt::Rewritten { offset, .. } if offset + 1 == archived), "{another}");
    rewrite(&config, 2).await;
    let (commits, shorter) = halt(&place.before(&config)).await;
    assert!(commits.is_empty() && matches!(shorter, Halt::OutOfRange { offset: 0, .. }), "{shorter}");
    assert!(shorter.to_string().contains(&format!("the archive has what comes before {archived}")), "{shorter}");
}

#[tokio::test]
async fn a_time_is_found_where_it_was_whatever_was_deleted_since() {
    let (config, log, place) = archived().await;
    let raw = records(&log, 0).await;
    let end = raw.len() as u64;
    let mut times: Vec<_> = raw.iter().flat_map(|record| [record.timestamp, record.timestamp + 1]).collect();
    times.push(raw[0].timestamp - 1);
    let begins = |time: i64| raw.iter().find(|record| record.timestamp >= time).map_or(end, |record| record.offset);
    let beside = KafkaLog::connect(&place.beside(&config)).unwrap();
    for low in [0, 1, end / 3, end / 2, end - 1, end] {
        delete_before(&config, low).await;
        for time in &times {
            let found = beside.offsets_at(*time).await.unwrap();
            assert_eq!(found, [begins(*time)], "at {time}, deleted before {low} of {end}");
            // Whoever has no archive is told so, unless what was deleted is older for sure.
            match log.offsets_at(*time).await {
                Ok(without) => assert_eq!(without, found, "at {time}, deleted before {low} of {end}"),
                Err(KafkaError::Deleted { partition: 0, offset, .. }) => assert!(low > 0 && offset == low),
                Err(error) => panic!("{error}"),
            }
        }
    }
    let said = log.offsets_at(times[0]).await.unwrap_err().to_string();
    assert!(said.contains("GROOT_ARCHIVE"), "{said}");
    log.close().await;
    beside.close().await;
}

#[tokio::test]
async fn an_archive_of_another_log_is_not_read_from() {
    let (config, log, _) = archived().await;
    let (_, other, others) = archived().await;
    delete_before(&config, 3).await;
    for config in [others.beside(&config), others.before(&config)] {
        let (commits, halt) = halt(&config).await;
        assert!(commits.is_empty() && halt.to_string().contains("is of log"), "{halt}");
    }
    let beside = KafkaLog::connect(&others.beside(&config)).unwrap();
    let refused = beside.offsets_at(0).await.unwrap_err();
    assert!(matches!(refused, KafkaError::Archived(_)), "{refused}");
    beside.close().await;
    log.close().await;
    other.close().await;
}
