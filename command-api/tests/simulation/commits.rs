//! Owners alone, with commits of one to three records.

use std::collections::{BTreeMap, BTreeSet};

use event_log::log::{Log, LogEvent};
use event_log::owner::{Now, Owner, OwnerConfig, Told};
use event_log::position::Position;
use event_log::reader::{CommitReader, Halt};
use event_log::record::{Headers, RecordDraft, header};
use event_log::simulated::SimulatedLog;
use rand::RngExt;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::fold;
use crate::schedule::{Clients, Node, PARTITION, Schedule};

pub fn run(seed: u64) {
    let mut schedule = Schedule::<OwnerNode, Proposers>::new(seed, Proposers::default());
    schedule.disturb(600);
    schedule.heal();

    let records = schedule.cluster.records(PARTITION);
    let commits = fold::fold(&records);
    fold::assert_resuming_changes_nothing(&records);
    let proposers = &schedule.clients;
    let counted: BTreeSet<Uuid> = commits.iter().map(|commit| commit.id).collect();
    assert_eq!(counted.len(), commits.len(), "a commit counts twice");
    for commit in &commits {
        assert_eq!(Some(&commit.records.len()), proposers.sizes.get(&commit.id), "commit {} is not whole", commit.id);
    }
    for released in &proposers.released {
        assert!(counted.contains(released), "commit {released} was told as released and does not count");
    }
    for void in &proposers.void {
        assert!(!counted.contains(void), "commit {void} was told as void and counts");
    }
    assert!(proposers.pending.is_empty(), "commits stay unsettled: {:?}", proposers.pending);
}

/// As [`run`], but in between every replica loses the end of the log. A reader that had read what is lost must halt, and
/// never read over it: the owners do, and so does each checkpoint that points past the cut.
pub fn run_with_cut(seed: u64) {
    let mut schedule = Schedule::<OwnerNode, Proposers>::new(seed, Proposers::default());
    schedule.disturb(300);
    let before = schedule.cluster.records(PARTITION);
    let mut reader = CommitReader::resume(PARTITION, Position::START);
    let mut checkpoints = Vec::new();
    for record in &before {
        reader.step(record.clone()).expect("nothing was cut yet");
        checkpoints.push(reader.position());
    }
    let lost = schedule.rng.random_range(1..6);
    schedule.cluster.cut(PARTITION, lost);
    // What was told before rests on records that no replica has any more.
    schedule.clients.released.clear();
    schedule.disturb(300);

    let after = schedule.cluster.records(PARTITION);
    let counted: BTreeSet<Uuid> = fold::fold(&after).iter().map(|commit| commit.id).collect();
    for released in &schedule.clients.released {
        assert!(
            counted.contains(released),
            "an owner read over the cut: {released} was told as released and does not count"
        );
    }
    for checkpoint in checkpoints {
        let kept = before.iter().zip(&after).take_while(|(a, b)| a == b).count() as u64;
        let mut resumed = CommitReader::resume(PARTITION, checkpoint);
        let next = after.get(resumed.next_offset() as usize);
        match next.map(|record| resumed.step(record.clone())) {
            // Nothing there: the log answers that the offset is out of range, or the reader waits for the record.
            None => assert!(checkpoint.next_offset > kept),
            Some(Ok(_)) => assert!(checkpoint.next_offset <= kept, "a lost record was read over at {checkpoint:?}"),
            Some(Err(halt)) => {
                assert!(matches!(halt, Halt::Rewritten { .. }), "{halt}");
                assert!(checkpoint.next_offset > kept, "halted on what was never lost: {halt}");
            }
        }
    }
}

pub struct OwnerNode {
    owner: Owner,
    log: SimulatedLog,
}

impl Node for OwnerNode {
    type Disk = ();

    fn start(mut log: SimulatedLog, config: OwnerConfig, seed: u64, (): ()) -> Self {
        log.open(PARTITION, 0);
        Self { owner: Owner::new(config, PARTITION, Position::START, seed), log }
    }

    fn assign(&mut self, now: Now, generation: i32) {
        self.owner.assign(&mut self.log, now, generation);
    }

    fn hand_over(&mut self, _now: Now) {
        self.owner.hand_over(&mut self.log);
    }

    fn release(&mut self, _now: Now) {
        self.owner.release(&mut self.log);
    }

    fn abandon(&mut self, _now: Now) {
        self.owner.abandon(&mut self.log);
    }

    fn handle(&mut self, now: Now, event: LogEvent) {
        match event {
            LogEvent::Record(record) => self.owner.record(&mut self.log, now, record),
            LogEvent::Appended { id, .. } => self.owner.appended(id),
            LogEvent::AppendFailed { id, .. } => self.owner.append_failed(&mut self.log, now, id),
            LogEvent::ReadFailed { halt, .. } => self.owner.halt(&mut self.log, halt),
        }
        self.owner.flush(&mut self.log);
    }

    fn tick(&mut self, now: Now) {
        self.owner.tick(&mut self.log, now);
        self.owner.flush(&mut self.log);
    }
}

#[derive(Default)]
struct Proposers {
    /// Of every commit ever proposed, how many records it has.
    sizes: BTreeMap<Uuid, usize>,
    /// Where each unsettled commit was proposed.
    pending: BTreeMap<Uuid, usize>,
    released: BTreeSet<Uuid>,
    void: BTreeSet<Uuid>,
}

impl Clients<OwnerNode> for Proposers {
    fn act(&mut self, rng: &mut StdRng, now: Now, member: usize, node: &mut OwnerNode) {
        let commit = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        let count = rng.random_range(1..=3);
        let records = (0..count).map(|_| record(rng)).collect();
        if node.owner.propose(now, commit, records).is_ok() {
            self.sizes.insert(commit, count);
            self.pending.insert(commit, member);
        }
        // Else with what comes next.
        if rng.random() {
            node.owner.flush(&mut node.log);
        }
    }

    fn listen(&mut self, member: usize, node: &mut OwnerNode) {
        while let Some(told) = node.owner.poll() {
            match told {
                Told::Released(commit) if self.pending.get(&commit.id) == Some(&member) => {
                    self.pending.remove(&commit.id);
                    self.released.insert(commit.id);
                }
                Told::Void(commits) => {
                    for commit in commits {
                        assert_eq!(self.pending.remove(&commit), Some(member), "{commit} was settled twice");
                        self.void.insert(commit);
                    }
                }
                Told::Stopped { unsettled } => {
                    for commit in unsettled {
                        self.pending.remove(&commit);
                    }
                }
                _ => {}
            }
        }
    }

    fn crashed(&mut self, member: usize) {
        self.pending.retain(|_, at| *at != member);
    }

    fn insist(&mut self, _now: Now, _member: usize, _node: &mut OwnerNode) -> bool {
        !self.pending.is_empty()
    }
}

fn record(rng: &mut StdRng) -> RecordDraft {
    let mut headers = Headers::default();
    headers.push(header::RECORD_ID, uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string());
    RecordDraft { key: None, value: Some(vec![rng.random()].into()), headers }
}
