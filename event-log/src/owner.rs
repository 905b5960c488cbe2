//! The owner of one partition, as a state machine without IO and without a clock of its own.
//!
//! Feed it what happens (an assignment, records from the log, outcomes of appends, the passing of time) and it hands
//! appends to a [`Log`] and tells the partition's runtime what came of it ([`Told`]).
//!
//! It answers for three things. Nothing is appended as an event before its own claim has been read back *and*
//! acknowledged. Nothing is told as released before its own reader has released it. And what was appended in an epoch
//! that ended is told as void only once a later claim has been read: until then it may still come to count.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::log::{AppendId, Lane, Log};
use crate::position::Position;
use crate::reader::{Commit, CommitReader, Halt, Skip, Step};
use crate::record::{self, Claim, Epoch, EventStamp, LogRecord, Nonce, RecordDraft};

/// Time since some fixed start, as the caller's monotonic clock gives it.
pub type Now = Duration;

#[derive(Clone, Debug)]
pub struct OwnerConfig {
    /// The name that this instance's claims carry.
    pub owner: String,
    /// How long an append may go unread before its epoch ends. Doubles with each claim that fails in a row.
    pub produce_deadline: Duration,
    /// The first pause before claiming again after a deposition; doubles each time, with jitter.
    pub backoff_base: Duration,
    pub backoff_max: Duration,
    /// How many producers there are to move between.
    pub lanes: u8,
}

impl Default for OwnerConfig {
    fn default() -> Self {
        Self {
            owner: "owner".to_owned(),
            produce_deadline: Duration::from_secs(8),
            backoff_base: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            lanes: 3,
        }
    }
}

/// What the owner tells the partition's runtime, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Everything before the claim has been told; commits may be proposed from now on.
    Serving(Epoch),
    /// A commit counts. If it was proposed here, its command may be answered.
    Released(Commit),
    /// The epoch ended. What is pending may still be released, so it is neither answered nor tried again yet.
    InDoubt,
    /// These commits, in the order in which they were proposed, will never count.
    Void(Vec<Uuid>),
    /// Another claim took the partition over. What was pending has just been told void.
    Deposed(Claim),
    /// The partition was given up; nothing will be proposed until it is assigned again. The commits listed stayed in
    /// doubt to the end: they may count or not.
    Stopped {
        unsettled: Vec<Uuid>,
    },
    Skipped(Skip),
    /// The log is not the one read before. The partition stays halted until it is rebuilt.
    Halted(Halt),
}

/// The commit cannot be appended now: the partition is not served here at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotServing;

#[derive(Debug)]
pub struct Owner {
    config: OwnerConfig,
    partition: u32,
    reader: CommitReader,
    rng: StdRng,
    phase: Phase,
    /// The generation of the group in which the assignment was last confirmed.
    generation: i32,
    /// Whether a claim of ours was read since the partition was assigned: what is read before is history, and a claim of a
    /// newer generation in it may be of a group that was made anew since.
    caught_up: bool,
    /// Asked to give up the partition as soon as nothing is pending.
    leaving: bool,
    /// Another is to own the partition: the next claim, if it is not ours, is the last that concerns us.
    handing_over: bool,
    lane: Lane,
    next_append: AppendId,
    /// Proposed and not settled, in order. All of one epoch: a claim settles every one before the next is proposed.
    pending: VecDeque<Pending>,
    /// The events of the last of them, which wait to be appended.
    outgoing: Vec<RecordDraft>,
    /// Claims in a row that did not lead to serving: doubles the deadline.
    failed_claims: u32,
    /// Depositions in a row without a commit of ours released: doubles the back-off.
    depositions: u32,
    told: VecDeque<Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not assigned.
    Idle,
    /// A claim was appended, and has not been both read and acknowledged.
    Claiming {
        nonce: Nonce,
        append: AppendId,
        read: Option<Epoch>,
        acknowledged: bool,
        deadline: Now,
    },
    Serving {
        epoch: Epoch,
        next_seq: u64,
        /// Appends with a smaller id belong to an earlier epoch.
        first_append: AppendId,
    },
    /// Assigned, and will claim at this time.
    BackingOff {
        until: Now,
    },
    /// Deposed by an owner of a newer generation; assigned only once a generation as new is confirmed.
    Yielded {
        to: i32,
    },
    Halted,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    commit: Uuid,
    deadline: Now,
}

impl Owner {
    /// An owner whose reader goes on from `position`; `seed` makes its nonces and jitter, so it must be random in
    /// production.
    pub fn new(config: OwnerConfig, partition: u32, position: Position, seed: u64) -> Self {
        Self {
            config,
            partition,
            reader: CommitReader::resume(partition, position),
            rng: StdRng::seed_from_u64(seed),
            phase: Phase::Idle,
            generation: 0,
            caught_up: false,
            leaving: false,
            handing_over: false,
            // All partitions begin in one lane: what is sent together takes fewer requests. The others are spares.
            lane: 0,
            next_append: 0,
            pending: VecDeque::new(),
            outgoing: Vec::new(),
            failed_claims: 0,
            depositions: 0,
            told: VecDeque::new(),
        }
    }

    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Where its reader stands.
    pub fn position(&self) -> Position {
        self.reader.position()
    }

    /// The offset of the record to feed next.
    pub fn next_offset(&self) -> u64 {
        self.reader.next_offset()
    }

    /// The epoch in which commits can be proposed, if there is one now.
    pub fn serving(&self) -> Option<Epoch> {
        match self.phase {
            Phase::Serving { epoch, .. } if !self.leaving => Some(epoch),
            _ => None,
        }
    }

    /// Whether commits can be proposed now, or will be without a further assignment.
    pub fn will_serve(&self) -> bool {
        matches!(self.phase, Phase::Claiming { .. } | Phase::Serving { .. } | Phase::BackingOff { .. }) && !self.leaving
    }

    /// The group generation that confirmed the assignment.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Whether the partition is neither assigned nor waiting for anything to settle.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Halted)
    }

    /// What there is to tell next.
    pub fn poll(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// When [`Owner::tick`] has something to do next, if nothing else happens.
    pub fn wake_at(&self) -> Option<Now> {
        match self.phase {
            Phase::Claiming { deadline, .. } => Some(deadline),
            Phase::BackingOff { until } => Some(until),
            Phase::Serving { .. } => self.pending.front().map(|pending| pending.deadline),
            Phase::Idle | Phase::Yielded { .. } | Phase::Halted => None,
        }
    }

    /// The group assigned the partition in `generation`, or confirmed that it still is: claims it if nobody here does.
    pub fn assign(&mut self, log: &mut impl Log, now: Now, generation: i32) {
        self.generation = self.generation.max(generation);
        self.leaving = false;
        self.handing_over = false;
        match self.phase {
            Phase::Idle => {
                self.caught_up = false;
                self.claim(log, now);
            }
            Phase::Yielded { to } if self.generation >= to => self.back_off(now),
            _ => {}
        }
    }

    /// The group gives the partition to another. Serves on until a claim of another is read, so that there is an owner all
    /// the time, and stops then. An owner that does not serve now is [released](Owner::release).
    pub fn hand_over(&mut self, log: &mut impl Log) {
        match self.phase {
            Phase::Serving { .. } => self.handing_over = true,
            _ => self.release(log),
        }
    }

    /// The group wants the partition back. Nothing more is proposed; what is pending is settled first, as long as the
    /// caller goes on feeding records.
    pub fn release(&mut self, log: &mut impl Log) {
        if self.is_idle() {
            return;
        }
        self.leaving = true;
        self.stop_if_settled(log);
    }

    /// Gives the partition up now, whatever is pending.
    pub fn abandon(&mut self, log: &mut impl Log) {
        if self.is_idle() {
            return;
        }
        self.stop(log);
    }

    /// Takes the events of one command as one commit, to be appended by [`Owner::flush`].
    pub fn propose(&mut self, now: Now, commit: Uuid, mut events: Vec<RecordDraft>) -> Result<(), NotServing> {
        let Phase::Serving { epoch, ref mut next_seq, .. } = self.phase else {
            return Err(NotServing);
        };
        if self.leaving || events.is_empty() {
            return Err(NotServing);
        }
        let count = events.len() as u32;
        for (index, event) in (0..count).zip(&mut events) {
            EventStamp { epoch, seq: *next_seq, commit, index, count }.write(&mut event.headers);
            *next_seq += 1;
        }
        self.pending.push_back(Pending { commit, deadline: now + self.config.produce_deadline });
        self.outgoing.append(&mut events);
        Ok(())
    }

    /// Appends all that was proposed since the last time. Call it when there is nothing more to propose at the moment: what
    /// goes out together takes fewer requests.
    pub fn flush(&mut self, log: &mut impl Log) {
        if !self.outgoing.is_empty() {
            let events = std::mem::take(&mut self.outgoing);
            self.append(log, events);
        }
    }

    /// The next record of the partition was read.
    pub fn record(&mut self, log: &mut impl Log, now: Now, record: LogRecord) {
        match self.reader.step(record) {
            Ok(Step::Resumed | Step::Pending) => {}
            Ok(Step::Skipped(skip)) => self.told.push_back(Told::Skipped(skip)),
            Ok(Step::Released(commit)) => self.released(log, commit),
            Ok(Step::Claimed(claim)) => self.claimed(log, now, claim),
            Err(halt) => self.halt(log, halt),
        }
    }

    /// The producer reports an append as done. Only a claim waits for it.
    pub fn appended(&mut self, id: AppendId) {
        if let Phase::Claiming { append, ref mut acknowledged, .. } = self.phase
            && append == id
        {
            *acknowledged = true;
            self.serve_if_claim_stands();
        }
    }

    /// The producer gave up an append of this epoch: the epoch ends.
    pub fn append_failed(&mut self, log: &mut impl Log, now: Now, id: AppendId) {
        match self.phase {
            Phase::Claiming { append, .. } if append == id => {
                self.failed_claims += 1;
                self.change_lane(log);
                self.back_off(now);
            }
            Phase::Serving { first_append, .. } if id >= first_append => self.end_epoch(log, now),
            _ => {}
        }
    }

    /// The log can no longer be read on from where the reader stands.
    pub fn halt(&mut self, log: &mut impl Log, halt: Halt) {
        self.stop(log);
        self.phase = Phase::Halted;
        self.told.push_back(Told::Halted(halt));
    }

    /// Time has passed: deadlines and pauses run out.
    pub fn tick(&mut self, log: &mut impl Log, now: Now) {
        if self.wake_at().is_none_or(|at| now < at) {
            return;
        }
        match self.phase {
            Phase::Claiming { .. } => {
                self.failed_claims += 1;
                self.change_lane(log);
                self.claim(log, now);
            }
            Phase::BackingOff { .. } => self.claim(log, now),
            Phase::Serving { .. } => self.end_epoch(log, now),
            Phase::Idle | Phase::Yielded { .. } | Phase::Halted => {}
        }
    }

    /// Past its deadline or after a produce error, nobody here can know what of the pending commits is in the log.
    /// A new claim draws the line: what was not read before it never counts.
    fn end_epoch(&mut self, log: &mut impl Log, now: Now) {
        self.outgoing.clear();
        self.told.push_back(Told::InDoubt);
        self.change_lane(log);
        self.claim(log, now);
    }

    fn claim(&mut self, log: &mut impl Log, now: Now) {
        let nonce = Nonce(uuid::Builder::from_random_bytes(self.rng.random()).into_uuid());
        let claim = record::claim(nonce, &self.config.owner, self.generation);
        let append = self.append(log, vec![claim]);
        let patience = self.config.produce_deadline * 2u32.pow(self.failed_claims.min(6));
        self.phase = Phase::Claiming { nonce, append, read: None, acknowledged: false, deadline: now + patience };
    }

    fn claimed(&mut self, log: &mut impl Log, now: Now, claim: Claim) {
        let own = matches!(self.phase, Phase::Claiming { nonce, read: None, .. } if nonce == claim.epoch.nonce);
        // Whoever wrote it: what was appended in an earlier epoch and not released by now never will be.
        self.void_pending();
        match &mut self.phase {
            Phase::Claiming { nonce, read, .. } if read.is_none() && *nonce == claim.epoch.nonce => {
                *read = Some(claim.epoch);
                self.caught_up = true;
                self.serve_if_claim_stands();
            }
            // Ours is still on its way and will come after this one.
            Phase::Claiming { read: None, .. } => {}
            // A ghost of an own claim counts like anybody else's: the log does not know whose it is.
            Phase::Claiming { .. } | Phase::Serving { .. } => self.deposed(now, claim),
            // Claiming against an owner of a newer generation would only depose it for a moment.
            Phase::BackingOff { .. } | Phase::Yielded { .. }
                if self.caught_up && claim.generation > self.generation =>
            {
                self.phase = Phase::Yielded { to: claim.generation };
                self.told.push_back(Told::Deposed(claim));
            }
            Phase::Idle | Phase::BackingOff { .. } | Phase::Yielded { .. } | Phase::Halted => {}
        }
        self.leaving |= self.handing_over && !own;
        self.stop_if_settled(log);
    }

    fn serve_if_claim_stands(&mut self) {
        if let Phase::Claiming { read: Some(epoch), acknowledged: true, .. } = self.phase {
            self.failed_claims = 0;
            self.phase = Phase::Serving { epoch, next_seq: 0, first_append: self.next_append };
            self.told.push_back(Told::Serving(epoch));
        }
    }

    fn deposed(&mut self, now: Now, claim: Claim) {
        self.depositions += 1;
        if claim.generation > self.generation {
            self.phase = Phase::Yielded { to: claim.generation };
        } else {
            self.back_off(now);
        }
        self.told.push_back(Told::Deposed(claim));
    }

    fn back_off(&mut self, now: Now) {
        let doublings = (self.depositions + self.failed_claims).saturating_sub(1).min(16);
        let pause = (self.config.backoff_base * 2u32.pow(doublings)).min(self.config.backoff_max);
        self.phase = Phase::BackingOff { until: now + pause.mul_f64(self.rng.random_range(0.5..1.0)) };
    }

    fn released(&mut self, log: &mut impl Log, commit: Commit) {
        if self.pending.front().is_some_and(|pending| pending.commit == commit.id) {
            self.pending.pop_front();
            self.depositions = 0;
        }
        self.told.push_back(Told::Released(commit));
        self.stop_if_settled(log);
    }

    fn void_pending(&mut self) {
        self.outgoing.clear();
        if !self.pending.is_empty() {
            self.told.push_back(Told::Void(self.pending.drain(..).map(|pending| pending.commit).collect()));
        }
    }

    fn stop_if_settled(&mut self, log: &mut impl Log) {
        if self.leaving && self.pending.is_empty() {
            self.stop(log);
        }
    }

    fn stop(&mut self, log: &mut impl Log) {
        if self.is_idle() {
            return;
        }
        self.leaving = false;
        self.handing_over = false;
        self.phase = Phase::Idle;
        self.outgoing.clear();
        log.leave(self.partition, self.lane);
        let unsettled = self.pending.drain(..).map(|pending| pending.commit).collect();
        self.told.push_back(Told::Stopped { unsettled });
    }

    fn change_lane(&mut self, log: &mut impl Log) {
        log.leave(self.partition, self.lane);
        self.lane = (self.lane + 1) % self.config.lanes.max(1);
    }

    fn append(&mut self, log: &mut impl Log, records: Vec<RecordDraft>) -> AppendId {
        let id = self.next_append;
        self.next_append += 1;
        log.append(self.partition, self.lane, id, records);
        id
    }
}

#[cfg(test)]
mod tests;
