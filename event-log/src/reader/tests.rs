use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::record::{Headers, Nonce, RecordDraft, claim, header};

/// A log in memory: what is pushed gets the next offset.
#[derive(Default)]
struct Records(Vec<LogRecord>);

impl Records {
    fn push(&mut self, draft: RecordDraft) -> u64 {
        let offset = self.0.len() as u64;
        self.0.push(LogRecord {
            partition: 0,
            offset,
            timestamp: 1_000 + offset as i64,
            key: draft.key,
            value: draft.value,
            headers: draft.headers,
        });
        offset
    }

    fn claim(&mut self, nonce: u128) -> Epoch {
        let nonce = Nonce(Uuid::from_u128(nonce));
        let offset = self.push(claim(nonce, "owner", 1));
        Epoch { offset, nonce }
    }

    fn event(&mut self, epoch: Epoch, seq: u64, commit: u128, index: u32, count: u32) -> u64 {
        let stamp = EventStamp { epoch, seq, commit: Uuid::from_u128(commit), index, count };
        let mut headers = Headers::default();
        let id = Uuid::from_u128(0xE0_0000 + self.0.len() as u128);
        headers.push(header::RECORD_ID, id.to_string());
        stamp.write(&mut headers);
        self.push(draft(headers))
    }

    fn foreign(&mut self) -> u64 {
        self.push(draft(Headers::default()))
    }

    fn steps(&self) -> Vec<Step> {
        let mut reader = CommitReader::resume(0, Position::START);
        self.0.iter().map(|record| reader.step(record.clone()).unwrap()).collect()
    }

    fn commits(&self) -> Vec<u128> {
        released(self.steps())
    }
}

fn draft(headers: Headers) -> RecordDraft {
    RecordDraft { key: None, value: Some(Bytes::from_static(b"value")), headers }
}

fn released(steps: Vec<Step>) -> Vec<u128> {
    let commit = |step| match step {
        Step::Released(commit) => Some(commit.id.as_u128()),
        _ => None,
    };
    steps.into_iter().filter_map(commit).collect()
}

fn skips(records: &Records) -> Vec<Skip> {
    let skip = |step| match step {
        Step::Skipped(skip) => Some(skip),
        _ => None,
    };
    records.steps().into_iter().filter_map(skip).collect()
}

#[test]
fn a_commit_is_released_when_its_last_record_has_come() {
    let mut log = Records::default();
    let epoch = log.claim(1);
    log.event(epoch, 0, 7, 0, 2);
    log.event(epoch, 1, 7, 1, 2);
    let steps = log.steps();
    assert_eq!(steps[1], Step::Pending);
    let Step::Released(commit) = &steps[2] else { panic!("{steps:?}") };
    assert_eq!((commit.records.len(), commit.last_offset()), (2, 2));
    assert_eq!(commit.epoch, epoch);
}

#[test]
fn nothing_counts_before_the_first_claim() {
    let mut log = Records::default();
    let never = Epoch { offset: 0, nonce: Nonce(Uuid::nil()) };
    log.event(never, 0, 7, 0, 1);
    assert_eq!(skips(&log), [Skip::Epoch]);
}

#[test]
fn an_event_of_an_earlier_epoch_never_counts() {
    let mut log = Records::default();
    let old = log.claim(1);
    let new = log.claim(2);
    log.event(old, 0, 7, 0, 1);
    log.event(new, 0, 8, 0, 1);
    assert_eq!(log.commits(), [8]);
    assert_eq!(skips(&log), [Skip::Epoch]);
}

#[test]
fn an_epoch_is_its_offset_and_its_nonce() {
    let mut log = Records::default();
    let epoch = log.claim(1);
    let other_nonce = Epoch { nonce: Nonce(Uuid::from_u128(2)), ..epoch };
    let other_offset = Epoch { offset: 5, ..epoch };
    log.event(other_nonce, 0, 7, 0, 1);
    log.event(other_offset, 0, 8, 0, 1);
    assert_eq!(skips(&log), [Skip::Epoch, Skip::Epoch]);
}

#[test]
fn an_event_out_of_sequence_never_counts() {
    let mut log = Records::default();
    let epoch = log.claim(1);
    log.event(epoch, 0, 7, 0, 1);
    log.event(epoch, 0, 7, 0, 1);
    log.event(epoch, 2, 9, 0, 1);
    log.event(epoch, 1, 8, 0, 1);
    assert_eq!(log.commits(), [7, 8], "neither the duplicate nor what follows a gap");
    assert_eq!(skips(&log), [Skip::Seq, Skip::Seq]);
}

#[test]
fn a_claim_discards_the_open_commit() {
    let mut log = Records::default();
    let old = log.claim(1);
    log.event(old, 0, 7, 0, 2);
    let new = log.claim(2);
    log.event(old, 1, 7, 1, 2);
    log.event(new, 0, 8, 0, 1);
    assert_eq!(log.commits(), [8]);
}

#[test]
fn a_claim_begins_the_sequence_anew() {
    let mut log = Records::default();
    let first = log.claim(1);
    log.event(first, 0, 7, 0, 1);
    let second = log.claim(2);
    log.event(second, 0, 8, 0, 1);
    assert_eq!(log.commits(), [7, 8]);
}

#[test]
fn what_breaks_the_framing_of_commits_never_counts_nor_does_what_follows_it() {
    for (commit, index, count) in [(8, 1, 2), (7, 0, 2), (7, 2, 3), (8, 0, 1)] {
        let mut log = Records::default();
        let epoch = log.claim(1);
        log.event(epoch, 0, 7, 0, 2);
        log.event(epoch, 1, commit, index, count);
        log.event(epoch, 2, 9, 0, 1);
        assert_eq!(skips(&log), [Skip::Framing, Skip::Seq], "{commit} {index}/{count}");
        assert_eq!(log.commits(), []);
    }
    let mut log = Records::default();
    let epoch = log.claim(1);
    log.event(epoch, 0, 7, 1, 2);
    log.event(epoch, 0, 8, 0, 0);
    assert_eq!(skips(&log), [Skip::Framing, Skip::Framing]);
}

#[test]
fn records_of_others_are_skipped_also_within_a_commit() {
    let mut log = Records::default();
    let epoch = log.claim(1);
    log.event(epoch, 0, 7, 0, 2);
    log.foreign();
    log.event(epoch, 1, 7, 1, 2);
    assert_eq!(log.commits(), [7]);
    assert_eq!(skips(&log), [Skip::Unstamped]);
}

#[test]
fn a_claim_whose_headers_cannot_be_read_claims_nothing() {
    let mut log = Records::default();
    let epoch = log.claim(1);
    let mut headers = Headers::default();
    headers.push(header::RECORD_TYPE, header::CLAIM_TYPE);
    headers.push(header::NONCE, "no nonce");
    log.push(draft(headers));
    log.event(epoch, 0, 7, 0, 1);
    assert_eq!(log.commits(), [7]);
}

#[test]
fn the_position_never_stands_inside_a_commit() {
    let mut log = Records::default();
    let epoch = log.claim(1);
    log.event(epoch, 0, 7, 0, 2);
    log.foreign();
    log.event(epoch, 1, 7, 1, 2);
    let mut reader = CommitReader::resume(0, Position::START);
    let mut places = Vec::new();
    for record in &log.0 {
        reader.step(record.clone()).unwrap();
        places.push((reader.position().next_offset, reader.position().next_seq));
    }
    assert_eq!(places, [(1, 0), (1, 0), (1, 0), (4, 2)]);
    assert_eq!(reader.position().last_record, Some(log.0[3].mark()));
}

#[test]
fn a_gap_in_the_offsets_halts() {
    let mut log = Records::default();
    log.claim(1);
    log.foreign();
    let mut reader = CommitReader::resume(0, Position::START);
    let halt = reader.step(log.0[1].clone()).unwrap_err();
    assert_eq!(halt, Halt::Gap { partition: 0, expected: 0, found: 1 });
    assert_eq!(reader.next_offset(), 0, "a reader that halted has not moved");
}

#[test]
fn a_resume_compares_the_record_before_it() {
    let mut log = Records::default();
    let epoch = log.claim(1);
    log.event(epoch, 0, 7, 0, 1);
    let mut reader = CommitReader::resume(0, Position::START);
    for record in &log.0 {
        reader.step(record.clone()).unwrap();
    }
    let position = reader.position();

    let mut same = CommitReader::resume(0, position);
    assert_eq!(same.next_offset(), 1);
    assert_eq!(same.step(log.0[1].clone()), Ok(Step::Resumed));
    assert_eq!(same.position(), position, "comparing does not move the position");

    let mut cut_back = Records::default();
    let epoch = cut_back.claim(1);
    cut_back.foreign();
    cut_back.event(epoch, 0, 9, 0, 1);
    let mut other = CommitReader::resume(0, position);
    let halt = other.step(cut_back.0[1].clone()).unwrap_err();
    assert!(matches!(halt, Halt::Rewritten { offset: 1, .. }), "{halt:?}");
    assert!(other.step(cut_back.0[1].clone()).is_err(), "and it stays halted");
}

#[test]
fn a_resume_notices_the_same_record_appended_again() {
    let mut log = Records::default();
    log.claim(1);
    let mut reader = CommitReader::resume(0, Position::START);
    reader.step(log.0[0].clone()).unwrap();
    let mut again = log.0[0].clone();
    again.timestamp += 1;
    let halt = CommitReader::resume(0, reader.position()).step(again).unwrap_err();
    assert!(matches!(halt, Halt::Rewritten { offset: 0, .. }), "{halt:?}");
}

/// What happens to a log that several owners write, some of whom do not know that they were deposed.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Claim {
        owner: usize,
    },
    /// The owner's next commit, of which only the first `landed` records get into the log.
    Commit {
        owner: usize,
        count: u32,
        landed: u32,
    },
    /// The owner's last record once more.
    Duplicate {
        owner: usize,
    },
    Foreign,
}

fn happening() -> impl Strategy<Value = Happening> {
    let owner = 0..3_usize;
    prop_oneof![
        2 => owner.clone().prop_map(|owner| Happening::Claim { owner }),
        6 => (owner.clone(), 1..4_u32, 1..4_u32)
            .prop_map(|(owner, count, landed)| Happening::Commit { owner, count, landed: landed.min(count) }),
        1 => owner.prop_map(|owner| Happening::Duplicate { owner }),
        1 => Just(Happening::Foreign),
    ]
}

fn write(happenings: &[Happening]) -> Records {
    let mut log = Records::default();
    let mut owners: [(Option<Epoch>, u64); 3] = Default::default();
    for (number, happening) in (1..).zip(happenings) {
        match *happening {
            Happening::Claim { owner } => owners[owner] = (Some(log.claim(number)), 0),
            Happening::Commit { owner, count, landed } => {
                let (Some(epoch), seq) = &mut owners[owner] else {
                    continue;
                };
                for index in 0..landed {
                    log.event(*epoch, *seq + u64::from(index), number, index, count);
                }
                *seq += u64::from(count);
            }
            Happening::Duplicate { owner } => {
                let last = |record: &&LogRecord| match record.stamp() {
                    Stamp::Event(stamp) => Some(stamp.epoch) == owners[owner].0,
                    _ => false,
                };
                if let Some(record) = log.0.iter().rfind(last).cloned() {
                    log.push(RecordDraft { key: record.key, value: record.value, headers: record.headers });
                }
            }
            Happening::Foreign => {
                log.foreign();
            }
        }
    }
    log
}

proptest! {
    #[test]
    fn a_reader_stopped_at_any_offset_goes_on_as_if_it_had_not(happenings in prop::collection::vec(happening(), 1..40)) {
        let log = write(&happenings);
        let whole = log.steps();
        for stop in 0..=log.0.len() {
            let mut first = CommitReader::resume(0, Position::START);
            let mut commits = Vec::new();
            for record in &log.0[..stop] {
                commits.push(first.step(record.clone()).unwrap());
            }
            let mut second = CommitReader::resume(0, first.position());
            for record in &log.0[second.next_offset() as usize..] {
                commits.push(second.step(record.clone()).unwrap());
            }
            prop_assert_eq!(released(commits), released(whole.clone()), "stopped at {}", stop);
        }
    }

    #[test]
    fn no_commit_counts_twice_and_each_is_whole_and_of_one_epoch(happenings in prop::collection::vec(happening(), 1..60)) {
        let log = write(&happenings);
        let mut seen = std::collections::HashSet::new();
        let mut claims = Vec::new();
        for step in log.steps() {
            match step {
                Step::Claimed(claim) => claims.push(claim.epoch),
                Step::Released(commit) => {
                    prop_assert!(seen.insert(commit.id));
                    prop_assert_eq!(Some(&commit.epoch), claims.last());
                    let Stamp::Event(stamp) = commit.records[0].stamp() else { unreachable!() };
                    prop_assert_eq!(stamp.count as usize, commit.records.len());
                }
                _ => {}
            }
        }
    }
}
