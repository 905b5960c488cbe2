//! What the model remembers: the log, what producers still hold, the owners, and what clients were told.

use crate::record::{Command, Entry, Epoch, Nonce, Record};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub log: Vec<Entry>,
    /// Handed to producers and not in the log yet, in canonical order. It may get there at any time and in any order, or never:
    /// a record that stays here for ever is a lost one.
    pub flight: Vec<Record>,
    pub owners: [OwnerState; 2],
    /// The nonce of the latest claim that was made.
    pub claims: Nonce,
    /// Commands that a client was told are done.
    pub acknowledged: Set,
    /// Commits that their owner settled as void, by nonce.
    pub voided: [Set; MOST_CLAIMS],
    pub duplicates_left: u8,
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
    /// Not an owner: never was one, has crashed, or was deposed. It forgets all it has read, as it can read it again.
    Idle,
    Claiming(Nonce),
    Serving(Epoch),
}

pub const MOST_CLAIMS: usize = 5;

/// A small set of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Set(u8);

impl Set {
    pub fn has(self, command: Command) -> bool {
        self.0 & (1 << command) != 0
    }

    #[must_use]
    pub fn with(self, command: Command) -> Self {
        Self(self.0 | 1 << command)
    }

    #[must_use]
    pub fn without(self, command: Command) -> Self {
        Self(self.0 & !(1 << command))
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Command> {
        (0..8).filter(move |command| self.has(*command))
    }
}

impl FromIterator<Command> for Set {
    fn from_iter<I: IntoIterator<Item = Command>>(commands: I) -> Self {
        commands.into_iter().fold(Self::default(), Self::with)
    }
}

impl OwnerState {
    pub const IDLE: Self = Self {
        phase: Phase::Idle,
        read: 0,
        is_ahead_of_cut: false,
        pending: Set(0),
        pending_nonce: 0,
        written: 0,
    };
}

impl State {
    pub fn start(duplicates: u8) -> Self {
        Self {
            log: Vec::new(),
            flight: Vec::new(),
            owners: [OwnerState::IDLE; 2],
            claims: 0,
            acknowledged: Set::default(),
            voided: [Set::default(); MOST_CLAIMS],
            duplicates_left: duplicates,
            cut: None,
        }
    }

    /// The log as it was before the cut.
    pub fn old_log(&self) -> impl Iterator<Item = &Entry> {
        let (kept, lost): (&[Entry], &[Entry]) = match &self.cut {
            None => (&self.log, &[]),
            Some(cut) => (&self.log[..cut.at as usize], &cut.lost),
        };
        kept.iter().chain(lost)
    }

    /// The records that an owner has read.
    pub fn read_by<'a>(&'a self, owner: &OwnerState) -> impl Iterator<Item = &'a Entry> {
        let (now, before) = if owner.is_ahead_of_cut {
            (0, owner.read)
        } else {
            (owner.read, 0)
        };
        self.log[..now as usize]
            .iter()
            .chain(self.old_log().take(before as usize))
    }

    pub fn hand_over(&mut self, record: Record) {
        let at = self.flight.partition_point(|held| *held <= record);
        self.flight.insert(at, record);
    }

    pub fn settle_as_void(&mut self, owner: usize) {
        let OwnerState {
            pending,
            pending_nonce,
            ..
        } = self.owners[owner];
        if !pending.is_empty() {
            let voided = &mut self.voided[pending_nonce as usize];
            *voided = voided.and(pending);
            self.owners[owner].pending = Set::default();
        }
    }
}
