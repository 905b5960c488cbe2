//! Records of all sizes, and readers that do not keep up.

use std::time::Duration;

use bytes::Bytes;
use event_log::kafka::{CommitStream, Inbox, MAX_RECORD_BYTES, PartitionLog};
use event_log::log::{Log, LogEvent};
use event_log::owner::Told;
use event_log::position::Position;
use event_log::record::RecordDraft;
use metrics_exporter_prometheus::PrometheusBuilder;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use super::driver::{Driver, event};
use super::{log, soon};

fn incompressible(seed: u64, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes.into()
}

async fn appended(inbox: &mut Inbox, wanted: u64) {
    soon("the report", async {
        loop {
            match inbox.recv().await {
                Some(LogEvent::Appended { id, .. }) if id == wanted => return,
                Some(LogEvent::AppendFailed { reason, .. }) => panic!("the append failed: {reason}"),
                Some(_) => {}
                None => panic!("the log was closed"),
            }
        }
    })
    .await;
}

async fn append(log: &mut PartitionLog, inbox: &mut Inbox, partition: u32, id: u64, records: Vec<RecordDraft>) {
    log.append(partition, 0, id, records);
    appended(inbox, id).await;
}

#[tokio::test]
async fn content_of_one_mebibyte_that_cannot_be_compressed_is_stored_and_read_back() {
    let (_, log) = log(1).await;
    let mut owner = Driver::serving(&log, 0, "a", 1).await;
    let (commit, content) = (Uuid::now_v7(), incompressible(1, 1024 * 1024));
    owner.propose(commit, vec![event(content.clone())]);
    let told = owner.until_released(commit).await;
    let Some(Told::Released(released)) = told.last() else { unreachable!() };
    assert!(released.records[0].value == Some(content));
    drop(owner);
    log.close().await;
}

#[tokio::test]
async fn a_record_of_the_largest_size_is_stored_and_read_back() {
    let (_, log) = log(1).await;
    let (mut partition, mut inbox) = log.partition(0);
    let mut draft = event("");
    draft.value = Some(incompressible(2, MAX_RECORD_BYTES - draft.size()));
    assert_eq!(draft.size(), MAX_RECORD_BYTES);
    append(&mut partition, &mut inbox, 0, 1, vec![draft.clone()]).await;

    partition.open(0, 0);
    let Some(LogEvent::Record(record)) = soon("the record", inbox.recv()).await else { panic!("no record came") };
    assert!(record.key == draft.key && record.value == draft.value && record.headers == draft.headers);
    assert!(record.timestamp > 0, "the broker stamped it");
    drop((partition, inbox));
    log.close().await;
}

#[tokio::test]
async fn a_reader_that_does_not_keep_up_holds_up_neither_other_partitions_nor_its_own_reports() {
    const RECORDS: u64 = 60;
    let (_, log) = log(2).await;
    let (mut slow, mut slow_inbox) = log.partition(0);
    // Far more than is read ahead for one partition.
    for id in 0..RECORDS {
        append(&mut slow, &mut slow_inbox, 0, id, vec![event(incompressible(id, 1024 * 1024))]).await;
    }
    slow.open(0, 0);
    let Some(LogEvent::Record(first)) = soon("the first record", slow_inbox.recv()).await else {
        panic!("no record came")
    };
    assert_eq!(first.offset, 0);

    // Nobody reads on there. An owner of the other partition is served all the same.
    let mut other = Driver::serving(&log, 1, "b", 1).await;
    for _ in 0..20 {
        let commit = Uuid::now_v7();
        other.propose(commit, vec![event("quick")]);
        other.until_released(commit).await;
    }
    // And an outcome is told before the records that wait.
    slow.append(0, 0, RECORDS, vec![event("last")]);
    let mut records_before_report = 0;
    soon("the report", async {
        while !matches!(slow_inbox.recv().await, Some(LogEvent::Appended { id: RECORDS, .. })) {
            records_before_report += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(records_before_report < RECORDS / 2, "{records_before_report} records came before the report");

    let mut next = 1 + records_before_report;
    soon("all the records", async {
        while next <= RECORDS {
            if let Some(LogEvent::Record(record)) = slow_inbox.recv().await {
                assert_eq!(record.offset, next, "in order and without a gap");
                next += 1;
            }
        }
    })
    .await;
    drop((slow, other));
    log.close().await;
}

#[tokio::test]
async fn who_is_far_behind_gets_full_deliveries_though_less_is_read_ahead() {
    const FULL: usize = 1_000;
    let (_, log) = log(1).await;
    let mut owner = Driver::serving(&log, 0, "a", 1).await;
    for number in 0..40 {
        let commit = Uuid::now_v7();
        owner.propose(commit, (0..100).map(|_| event(incompressible(number, 2_048))).collect());
        owner.until_released(commit).await;
    }
    // Readers of a partition take turns.
    drop(owner);
    let end = log.end_offsets().await.unwrap()[0];
    let mut stream = CommitStream::open(&log, 0, Position::START).limits(FULL, usize::MAX);
    while stream.next_offset() < end {
        let is_more = end - stream.next_offset() > FULL as u64;
        let delivery = soon("a delivery", stream.next()).await.unwrap().unwrap();
        assert!(delivery.records >= FULL as u64 || !is_more, "{} records of {end}", delivery.records);
    }
    drop(stream);
    log.close().await;
}

#[tokio::test]
async fn who_is_far_behind_is_read_apart_from_the_others_and_with_them_again_at_the_end() {
    const RECORDS: u64 = 20_000;
    let metrics = PrometheusBuilder::new().build_recorder();
    let _of_this_thread = metrics::set_default_local_recorder(&metrics);
    let changes = |pace: &str| {
        let counter = format!("groot_log_pace_changes_total{{partition=\"0\",pace=\"{pace}\"}} ");
        metrics.handle().render().lines().find_map(|line| Some(line.strip_prefix(&counter)?.to_owned()))
    };
    let (_, log) = log(2).await;
    let (mut idle, mut idle_inbox) = log.partition(1);
    append(&mut idle, &mut idle_inbox, 1, 1, vec![event("one")]).await;
    idle.open(1, 0);
    assert!(matches!(soon("a record", idle_inbox.recv()).await, Some(LogEvent::Record(_))));

    let (mut far, mut inbox) = log.partition(0);
    for id in 0..20 {
        let drafts = (0..RECORDS / 20).map(|number| event(format!("{id}/{number}"))).collect();
        append(&mut far, &mut inbox, 0, id, drafts).await;
    }
    far.open(0, 0);
    for wanted in 0..RECORDS {
        match soon("a record", inbox.recv()).await {
            Some(LogEvent::Record(record)) => assert_eq!(record.offset, wanted, "in order and without a gap"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(changes("catch-up").as_deref(), Some("1"));
    // What comes now is waited for, and he reads on with the others.
    let mut next = RECORDS;
    soon("the change back", async {
        while changes("tail").is_none() {
            append_and_read(&mut far, &mut inbox, next).await;
            next += 1;
        }
    })
    .await;
    for offset in next..next + 3 {
        append_and_read(&mut far, &mut inbox, offset).await;
    }
    assert_eq!((changes("catch-up").as_deref(), changes("tail").as_deref()), (Some("1"), Some("1")));
    drop((far, idle));
    log.close().await;
}

/// Appends one record to partition 0, and takes it as the one with this offset.
async fn append_and_read(log: &mut PartitionLog, inbox: &mut Inbox, offset: u64) {
    log.append(0, 0, offset, vec![event("more")]);
    soon("the record", async {
        loop {
            match inbox.recv().await {
                Some(LogEvent::Record(record)) => return assert_eq!(record.offset, offset),
                Some(LogEvent::Appended { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_reopen_nothing_of_the_earlier_reading_comes() {
    let (_, log) = log(1).await;
    let (mut partition, mut inbox) = log.partition(0);
    let drafts = (0..2_000).map(|number| event(format!("{number}"))).collect();
    append(&mut partition, &mut inbox, 0, 1, drafts).await;

    for round in 0..30 {
        let from = (round * 397) % 2_000;
        partition.open(0, from);
        for wanted in from..(from + 3).min(2_000) {
            match soon("a record", inbox.recv()).await {
                Some(LogEvent::Record(record)) => assert_eq!(record.offset, wanted, "round {round}"),
                other => panic!("round {round}: {other:?}"),
            }
        }
        if round % 3 == 0 {
            partition.close(0);
            assert_eq!(inbox.try_recv(), None);
        }
    }
    drop((partition, inbox));
    log.close().await;
}

#[tokio::test]
async fn a_partition_is_read_by_one_at_a_time() {
    let (_, log) = log(1).await;
    let (mut first, mut first_inbox) = log.partition(0);
    append(&mut first, &mut first_inbox, 0, 1, vec![event("one"), event("two")]).await;
    first.open(0, 0);
    assert!(matches!(soon("a record", first_inbox.recv()).await, Some(LogEvent::Record(r)) if r.offset == 0));

    let (mut second, mut second_inbox) = log.partition(0);
    second.open(0, 1);
    drop(first);
    assert!(matches!(soon("a record", second_inbox.recv()).await, Some(LogEvent::Record(r)) if r.offset == 1));
    drop(second);
    log.close().await;
}

#[tokio::test]
async fn one_who_has_not_opened_a_partition_takes_it_from_nobody() {
    let (_, log) = log(1).await;
    let (mut reader, mut inbox) = log.partition(0);
    append(&mut reader, &mut inbox, 0, 1, vec![event("one")]).await;
    reader.open(0, 0);
    assert!(matches!(soon("a record", inbox.recv()).await, Some(LogEvent::Record(r)) if r.offset == 0));

    let (other, mut others_inbox) = log.partition(0);
    drop(other);
    assert_eq!(soon("the end", others_inbox.recv()).await, None);
    reader.append(0, 0, 2, vec![event("two")]);
    soon("a record", async { while !matches!(inbox.recv().await, Some(LogEvent::Record(r)) if r.offset == 1) {} })
        .await;
    drop(reader);
    log.close().await;
}

/// The client keeps each record until its report is fetched.
#[tokio::test]
async fn reports_keep_up_with_appends() {
    const APPENDS: u64 = 2_000;
    let (_, log) = log(1).await;
    let (mut partition, mut inbox) = log.partition(0);
    partition.open(0, 0);
    let (mut reported, mut most_unreported) = (0, 0);
    for id in 0..APPENDS {
        partition.append(0, 0, id, vec![event("x")]);
        soon("the record", async {
            loop {
                match inbox.recv().await {
                    Some(LogEvent::Record(_)) => break,
                    Some(LogEvent::Appended { .. }) => reported += 1,
                    other => panic!("{other:?}"),
                }
            }
        })
        .await;
        most_unreported = most_unreported.max(id + 1 - reported);
    }
    assert!(most_unreported < APPENDS / 2, "{most_unreported} appends were read and not reported");
    drop((partition, inbox));
    log.close().await;
}
