//! What the model remembers: the log, what producers still hold, the owners, and what clients were told.

use crate::mutation::Mutation;
use crate::reader::Reader;
use crate::record::{Command, Commit, Entry, Epoch, Nonce, Record};
use crate::set::Set;

pub const MOST_CLAIMS: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub log: Vec<Entry>,
    /// Handed to producers and not in the log yet, sorted. It may get there at any time or never: a record that stays
    /// here for ever is a lost one.
    pub flight: Vec<Record>,
    pub owners: [OwnerState; 2],
    /// The nonce of the latest claim that was made.
    pub claims: Nonce,
    /// Commands that a client was told are done.
    pub acknowledged: Set,
    /// Commits that their owner settled as void: commands by nonce.
    pub voided: [Set; MOST_CLAIMS + 1],
    pub duplicates_left: u8,
    pub late_left: u8,
    pub cut: Option<Cut>,
}

/// What a total loss of power took from the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    pub at: u8,
    pub lost: Vec<Entry>,
    /// Commands that were in the fold and are no more. Nothing is promised of them.
    pub forgiven: Set,
}

/// An owner as it knows itself. What it has folded is what a reader makes of the records it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerState {
    pub phase: Phase,
    /// How many records it has read.
    pub read: u8,
    /// It has read records that are lost since.
    pub is_ahead_of_cut: bool,
    /// Commands that it has decided and not settled: all in one epoch.
    pub pending: Set,
    pub pending_nonce: Nonce,
    /// Events that it has handed to the producer in its epoch.
    pub written: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Never was an owner, has crashed, or was deposed. It forgets all it has read, as it can read it again.
    Idle,
    Claiming(Nonce),
    Serving(Epoch),
}

impl OwnerState {
    pub const IDLE: Self =
        Self { phase: Phase::Idle, read: 0, is_ahead_of_cut: false, pending: Set::EMPTY, pending_nonce: 0, written: 0 };

    pub fn waits_for(&self, commit: Commit) -> bool {
        self.pending_nonce == commit.nonce && self.pending.has(commit.command)
    }

    /// With nothing pending, what it reads up to its claim changes nothing that anybody sees.
    pub fn is_catching_up(&self) -> bool {
        matches!(self.phase, Phase::Claiming(_)) && self.pending.is_empty()
    }
}

impl State {
    pub fn start(duplicates: u8, late: u8) -> Self {
        Self {
            log: Vec::new(),
            flight: Vec::new(),
            owners: [OwnerState::IDLE; 2],
            claims: 0,
            acknowledged: Set::EMPTY,
            voided: [Set::EMPTY; MOST_CLAIMS + 1],
            duplicates_left: duplicates,
            late_left: late,
            cut: None,
        }
    }

    pub fn hand_over(&mut self, record: Record) {
        let at = self.flight.partition_point(|held| *held <= record);
        self.flight.insert(at, record);
    }

    /// Whether a record would come to the log after its epoch has ended there.
    pub fn is_late(&self, record: &Record) -> bool {
        let Record::Event(event) = record else { return false };
        let claim = self.log.iter().rposition(|entry| entry.claim().is_some());
        claim.is_none_or(|at| {
            let nonce = self.log[at].record.nonce();
            event.epoch != Epoch { offset: at as u8, nonce }
        })
    }

    /// The records that an owner has read.
    pub fn read_by<'a>(&'a self, owner: &OwnerState) -> impl Iterator<Item = &'a Entry> {
        let (now, before) = if owner.is_ahead_of_cut { (0, owner.read) } else { (owner.read, 0) };
        self.log[..now as usize].iter().chain(self.old_log().take(before as usize))
    }

    pub fn find_claim(&self, nonce: Nonce) -> Option<u8> {
        let at = self.log.iter().position(|entry| entry.claim() == Some(nonce));
        at.map(|at| at as u8)
    }

    pub fn settle_as_void(&mut self, owner: usize) {
        let OwnerState { pending, pending_nonce, .. } = self.owners[owner];
        let voided = &mut self.voided[pending_nonce as usize];
        *voided = voided.and(pending);
        self.owners[owner].pending = Set::EMPTY;
    }

    pub fn voided(&self) -> impl Iterator<Item = Commit> {
        (1..)
            .zip(&self.voided[1..])
            .flat_map(|(nonce, commands)| commands.iter().map(move |command| Commit { nonce, command }))
    }

    /// Makes one of states that differ only in what can never matter again. Not for a log that may yet be cut back:
    /// that could bring an ended epoch back.
    pub fn forget_what_cannot_matter(&mut self, mutation: Mutation) {
        if self.late_left == 0 {
            let flight = std::mem::take(&mut self.flight);
            self.flight = flight.into_iter().filter(|record| !self.is_late(record)).collect();
        }
        if self.voided().next().is_some() {
            let folded = Reader::of(mutation, &self.log);
            for nonce in 1..=self.claims {
                let can_count = |command: &Command| {
                    let commit = Commit { nonce, command: *command };
                    folded.holds(commit) || self.flight.iter().any(|record| record.is_of(commit))
                };
                self.voided[nonce as usize] = self.voided[nonce as usize].iter().filter(can_count).collect();
            }
        }
    }

    /// The log as it was before it was cut back.
    fn old_log(&self) -> impl Iterator<Item = &Entry> {
        let (kept, lost): (&[Entry], &[Entry]) = match &self.cut {
            None => (&self.log, &[]),
            Some(cut) => (&self.log[..cut.at as usize], &cut.lost),
        };
        kept.iter().chain(lost)
    }
}
