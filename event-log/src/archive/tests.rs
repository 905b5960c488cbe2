//! Ranges and chains without a log: what is written is read back, and what is changed is found.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::position::Position;
use crate::reader::Halt;
use crate::record::{Epoch, EventStamp, Headers, LogRecord, Nonce, claim, header};

const PARTITION: u32 = 3;
const SCHEMA: &str = r#"{"type":"record","name":"Said","fields":[{"name":"what","type":"string"}]}"#;
const FINGERPRINT: &str = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";
const SCHEMA_ID: u32 = 7;

fn identity() -> ArchiveIdentity {
    ArchiveIdentity::new(0xfedc_ba98_7654_3210, "groot.events", 12)
}

async fn archive() -> (TempDir, Archive) {
    let directory = TempDir::new().unwrap();
    let archive = Archive::at(directory.path().to_str().unwrap()).unwrap();
    archive.belong_to(&identity()).await.unwrap();
    (directory, archive)
}

fn at(offset: u64, draft: crate::record::RecordDraft) -> LogRecord {
    let timestamp = 1_790_000_000_000 + offset as i64;
    let crate::record::RecordDraft { key, value, headers } = draft;
    LogRecord { partition: PARTITION, offset, timestamp, key, value, headers }
}

fn event(offset: u64, seq: u64, index: u32, count: u32) -> LogRecord {
    let mut headers = Headers::default();
    headers.push_text(header::RECORD_ID, Uuid::from_u128(offset.into()));
    headers.push("schema_fp", FINGERPRINT);
    headers.push("twice", "one");
    headers.push("twice", [0xff, 0]);
    headers.push("empty", "");
    let commit = Uuid::from_u128(u128::from(offset - u64::from(index)) + 1_000);
    EventStamp { epoch: epoch(), seq, commit, index, count }.write(&mut headers);
    let value = [&[0], SCHEMA_ID.to_be_bytes().as_slice(), &[4], b"hi"].concat();
    let draft = crate::record::RecordDraft { key: Some("key".into()), value: Some(value.into()), headers };
    at(offset, draft)
}

fn epoch() -> Epoch {
    Epoch { offset: 0, nonce: Nonce(Uuid::from_u128(1)) }
}

/// A claim, two events, and records that nobody stamped: without key or value, with empty ones, and with a prefix of no schema.
fn records() -> Vec<LogRecord> {
    let bare = LogRecord {
        partition: PARTITION,
        offset: 3,
        timestamp: -1,
        key: None,
        value: None,
        headers: Headers::default(),
    };
    let empty = LogRecord { offset: 4, key: Some("".into()), value: Some("".into()), ..bare.clone() };
    let odd = LogRecord { offset: 5, value: Some([0, 0, 0, 9, 9, 1].to_vec().into()), ..bare.clone() };
    vec![at(0, claim(epoch().nonce, "one", 1)), event(1, 0, 0, 1), event(2, 1, 0, 1), bare, empty, odd]
}

fn schemas() -> Vec<EmbeddedSchema> {
    vec![EmbeddedSchema { id: SCHEMA_ID, fingerprint: FINGERPRINT.to_owned(), schema: SCHEMA.to_owned() }]
}

async fn resume(archive: &Archive) -> PartitionArchiver {
    PartitionArchiver::resume(archive, &identity(), PARTITION).await.unwrap()
}

/// Archives these records as one range.
async fn add(archive: &Archive, archiver: &mut PartitionArchiver, records: &[LogRecord]) -> Closed {
    for record in records {
        archiver.take(record.clone()).unwrap();
    }
    let mut range = archiver.close(schemas()).unwrap().expect("a range");
    let closed = archive.append(&mut range).await.unwrap();
    if let Closed::Appended(link) = &closed {
        archiver.stored(Link::clone(link));
    }
    closed
}

async fn read(archive: &Archive, link: &Link) -> Result<Vec<LogRecord>, ArchiveError> {
    let mut chunks = archive.records(&link.manifest).await?;
    let mut records = Vec::new();
    while let Some(chunk) = chunks.next().await {
        records.extend(chunk?);
    }
    Ok(records)
}

async fn findings(archive: &Archive) -> Vec<Finding> {
    let identity = identity();
    let mut check = ChainCheck::new(archive, &identity, PARTITION);
    let mut found = Vec::new();
    for first_offset in archive.first_offsets(PARTITION).await.unwrap() {
        match archive.link(PARTITION, first_offset).await {
            Ok(link) => found.extend(check.next(link.unwrap(), async |_| None).await.unwrap()),
            Err(error) => panic!("{error}"),
        }
    }
    found
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort_unstable();
    found
}

fn flip_a_byte(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn what_is_read_back_is_what_was_archived_to_the_last_header() {
    let (_directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    add(&archive, &mut archiver, &records()).await;
    let link = archive.tip(PARTITION).await.unwrap().unwrap();
    assert_eq!(read(&archive, &link).await.unwrap(), records());
    let Manifest { first_offset, last_offset, records: count, position, last_mark, .. } = link.manifest;
    assert_eq!((first_offset, last_offset, count), (0, 5, 6));
    let mark = records()[5].mark();
    assert_eq!(last_mark, mark);
    assert_eq!(position, Position { next_offset: 6, epoch: Some(epoch()), next_seq: 2, last_record: Some(mark) });
    assert_eq!(findings(&archive).await, []);
}

#[tokio::test]
async fn large_records_make_a_file_of_many_blocks_that_is_read_back() {
    let (_directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    let mut noise = 1u64;
    let records: Vec<_> = (0..40)
        .map(|offset| {
            let mut record = records()[3].clone();
            record.offset = offset;
            let mut byte = || {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (noise >> 56) as u8
            };
            record.value = Some((0..200_000).map(|_| byte()).collect::<Vec<_>>().into());
            record
        })
        .collect();
    let Closed::Appended(link) = add(&archive, &mut archiver, &records).await else { panic!() };
    assert!(link.manifest.bytes > 7_000_000, "it goes in parts: {}", link.manifest.bytes);
    assert!(read(&archive, &link).await.unwrap() == records);
    archive.check_file(&link.manifest).await.unwrap();
}

#[tokio::test]
async fn a_range_may_end_inside_a_commit_and_the_next_one_knows_where_readers_stand() {
    let (_directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    let first = [at(0, claim(epoch().nonce, "one", 1)), event(1, 0, 0, 1), event(2, 1, 0, 2)];
    let Closed::Appended(link) = add(&archive, &mut archiver, &first).await else { panic!() };
    assert_eq!(link.manifest.position.next_offset, 2, "before the commit that is open");

    // Another goes on: he is fed again what was archived, from the record before that position on.
    let mut archiver = resume(&archive).await;
    assert_eq!((archiver.first_offset(), archiver.archived_to()), (1, 3));
    let again = [first[1].clone(), first[2].clone(), event(3, 2, 1, 2), event(4, 3, 0, 1)];
    let Closed::Appended(link) = add(&archive, &mut archiver, &again).await else { panic!() };
    assert_eq!((link.manifest.first_offset, link.manifest.last_offset), (3, 4));
    assert_eq!(link.manifest.position.next_offset, 5);
    assert_eq!(link.manifest.position.next_seq, 4);
    assert_eq!(findings(&archive).await, []);
}

#[tokio::test]
async fn of_two_who_extend_a_chain_one_loses_and_goes_on_behind_the_other() {
    let (directory, archive) = archive().await;
    let (mut one, mut other) = (resume(&archive).await, resume(&archive).await);
    let records = records();
    assert!(matches!(add(&archive, &mut one, &records[..4]).await, Closed::Appended(_)));
    assert_eq!(add(&archive, &mut other, &records[..2]).await, Closed::Lost);
    let stored = directory.path().join("records/00003");
    assert_eq!(files(&stored).len(), 1, "the file of the one who lost is taken away");
    let mut other = resume(&archive).await;
    assert!(matches!(add(&archive, &mut other, &records[3..]).await, Closed::Appended(_)));
    assert_eq!(findings(&archive).await, []);
    assert_eq!(archive.first_offsets(PARTITION).await.unwrap(), [0, 4]);
}

#[tokio::test]
async fn a_range_whose_answer_was_lost_is_stored_once() {
    let (_directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    for record in records() {
        archiver.take(record).unwrap();
    }
    let mut range = archiver.close(schemas()).unwrap().unwrap();
    let first = archive.append(&mut range).await.unwrap();
    assert!(matches!(first, Closed::Appended(_)));
    assert_eq!(archive.append(&mut range).await.unwrap(), first);
}

#[tokio::test]
async fn a_file_without_a_manifest_never_happened() {
    let (directory, archive) = archive().await;
    let left = directory.path().join("records/00003/00000000000000000000-0123456789abcdef.avro");
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, "half of a f").unwrap();
    let mut archiver = resume(&archive).await;
    assert_eq!(archiver.archived_to(), 0);
    let Closed::Appended(link) = add(&archive, &mut archiver, &records()).await else { panic!() };
    assert_eq!(findings(&archive).await, []);
    let unclaimed = archive.unclaimed_files(&[link.manifest.file]).await.unwrap();
    assert_eq!(unclaimed, ["records/00003/00000000000000000000-0123456789abcdef.avro"]);
}

#[tokio::test]
async fn a_log_that_is_not_the_one_archived_is_not_archived_on() {
    let (_directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    add(&archive, &mut archiver, &records()).await;
    let mut archiver = resume(&archive).await;
    let other = LogRecord { timestamp: 5, ..records()[5].clone() };
    assert!(matches!(archiver.take(other), Err(TakeError::Halt(Halt::Rewritten { offset: 5, .. }))));
    let mut archiver = resume(&archive).await;
    let later = LogRecord { offset: 6, ..records()[5].clone() };
    assert!(matches!(archiver.take(later), Err(TakeError::Halt(Halt::Gap { expected: 5, found: 6, .. }))));
}

/// The mark of the position alone does not tell: the record that differs stands in the commit that is open.
#[tokio::test]
async fn a_record_that_differs_inside_an_open_commit_is_noticed_as_well() {
    let (_directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    let first = [at(0, claim(epoch().nonce, "one", 1)), event(1, 0, 0, 1), event(2, 1, 0, 2)];
    add(&archive, &mut archiver, &first).await;
    let mut archiver = resume(&archive).await;
    archiver.take(first[1].clone()).unwrap();
    let other = LogRecord { timestamp: 5, ..first[2].clone() };
    assert!(matches!(archiver.take(other), Err(TakeError::Halt(Halt::Rewritten { offset: 2, .. }))));
}

#[tokio::test]
async fn a_flipped_byte_is_found_and_no_record_of_the_file_is_given() {
    let (directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    let records = records();
    add(&archive, &mut archiver, &records[..3]).await;
    add(&archive, &mut archiver, &records[3..]).await;
    let file = files(&directory.path().join("records/00003")).remove(1);
    flip_a_byte(&file);
    let found = findings(&archive).await;
    let name = file.strip_prefix(directory.path()).unwrap().to_str().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].name.as_str(), found[0].partition, found[0].offset), (name, PARTITION, 3));
    let link = archive.tip(PARTITION).await.unwrap().unwrap();
    let error = archive.records(&link.manifest).await.unwrap_err();
    assert!(!error.is_retryable());
    let said = error.to_string();
    assert!(said.contains(name) && said.contains("put a whole copy of it back"), "{said}");
    assert!(archive.check_file(&link.manifest).await.is_err());
}

#[tokio::test]
async fn a_changed_manifest_and_a_missing_one_are_found() {
    let (directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    let records = records();
    for range in [&records[..2], &records[2..4], &records[4..]] {
        add(&archive, &mut archiver, range).await;
    }
    let manifests = files(&directory.path().join("manifests/00003"));
    let whole = std::fs::read_to_string(&manifests[1]).unwrap();
    std::fs::write(&manifests[1], whole.replace("groot.events", "groot.event5")).unwrap();
    let found = findings(&archive).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].offset, found[0].name.as_str()), (4, "manifests/00003/00000000000000000004.json"));
    assert!(found[0].what.contains("does not follow"), "{found:?}");

    std::fs::remove_file(&manifests[1]).unwrap();
    let found = findings(&archive).await;
    assert!(found.iter().any(|found| found.offset == 4 && found.what.contains("a range between")), "{found:?}");
}

#[tokio::test]
async fn a_position_and_a_schema_that_a_manifest_tells_wrongly_are_found() {
    let (directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    add(&archive, &mut archiver, &records()).await;
    let manifest = files(&directory.path().join("manifests/00003")).remove(0);
    let whole = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, whole.replace("\"nextSeq\": 2", "\"nextSeq\": 3")).unwrap();
    let found = findings(&archive).await;
    assert!(found.len() == 1 && found[0].what.contains("where a reader stands"), "{found:?}");

    std::fs::write(&manifest, whole.replace("\\\"string\\\"", "\\\"double\\\"")).unwrap();
    let found = findings(&archive).await;
    assert_eq!(found.iter().map(|found| found.offset).collect::<Vec<_>>(), [1, 2], "{found:?}");
    std::fs::write(&manifest, whole.replace("\"id\": 7", "\"id\": 8")).unwrap();
    let found = findings(&archive).await;
    assert!(found[0].what.contains("schema 7, which is not embedded"), "{found:?}");
}

#[tokio::test]
async fn an_archive_of_another_log_is_refused() {
    let (_directory, archive) = archive().await;
    archive.belong_to(&identity()).await.unwrap();
    let renamed = ArchiveIdentity { topic: "restored".into(), ..identity() };
    archive.belong_to(&renamed).await.unwrap();
    for other in [ArchiveIdentity { log_id: 1, ..identity() }, ArchiveIdentity { partitions: 6, ..identity() }] {
        let error = archive.belong_to(&other).await.unwrap_err();
        assert!(matches!(error, ArchiveError::AnotherLog { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_format_of_a_newer_build_is_not_read() {
    let (directory, archive) = archive().await;
    let mut archiver = resume(&archive).await;
    add(&archive, &mut archiver, &records()).await;
    let manifest = files(&directory.path().join("manifests/00003")).remove(0);
    let newer = std::fs::read_to_string(&manifest).unwrap().replace("\"format\": 1", "\"format\": 2");
    std::fs::write(&manifest, newer).unwrap();
    let error = archive.tip(PARTITION).await.unwrap_err().to_string();
    assert!(error.contains("which a newer build reads"), "{error}");
}

#[tokio::test]
async fn a_time_is_found_in_whatever_range_it_lies_and_whatever_time_it_is() {
    let (directory, archive) = archive().await;
    assert_eq!(archive.moment(PARTITION, 0).await.unwrap(), Moment { offset: 0, before: None, is_behind_all: true });
    let mut archiver = resume(&archive).await;
    // Two records each second, at even ones.
    let time_of = |offset: u64| 1_790_000_000_000 + offset as i64 / 2 * 2_000;
    let records: Vec<_> = (0..40)
        .map(|offset| {
            let draft = crate::record::RecordDraft { key: None, value: None, headers: Headers::default() };
            LogRecord { timestamp: time_of(offset), ..at(offset, draft) }
        })
        .collect();
    // Ranges of one record to eight.
    let mut rest = &records[..];
    for number in (1..=8).chain([4]) {
        let (range, later) = rest.split_at(number);
        for record in range {
            archiver.take(record.clone()).unwrap();
        }
        let mut range = archiver.close(Vec::new()).unwrap().unwrap();
        let Closed::Appended(link) = archive.append(&mut range).await.unwrap() else { panic!() };
        archiver.stored(*link);
        rest = later;
    }
    assert!(rest.is_empty());
    for time in (time_of(0) - 1_000..=time_of(39) + 1_000).step_by(1_000) {
        let offset = records.iter().position(|record| record.timestamp >= time);
        let before = records[..offset.unwrap_or(records.len())].last().map(|record| record.timestamp);
        let expected =
            Moment { offset: offset.unwrap_or(records.len()) as u64, before, is_behind_all: offset.is_none() };
        assert_eq!(archive.moment(PARTITION, time).await.unwrap(), expected, "{time}");
    }

    // What has to be looked into is believed only when it is whole.
    flip_a_byte(&files(&directory.path().join("records/00003"))[7]);
    assert!(archive.moment(PARTITION, time_of(33)).await.is_err());
    assert!(archive.moment(PARTITION, time_of(20)).await.is_ok());
}

/// The form stands in archives for ever: what this holds must be read by every build.
#[test]
fn the_form_of_a_manifest_is_fixed() {
    let text = include_str!("manifest.v1.json");
    let manifest = Manifest::from_bytes(text.as_bytes(), 3, 17).unwrap();
    assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), text);
}
