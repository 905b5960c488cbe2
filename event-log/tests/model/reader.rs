//! The reader rule, and what a reader makes of a log.

use crate::mutation::Mutation;
use crate::record::{Commit, Entry, Epoch, Event, Record};

/// More events than any log within the bounds can hold.
const MOST_EVENTS: usize = 20;

#[derive(Clone, Copy, Debug)]
pub struct Reader {
    pub mutation: Mutation,
    pub next: u8,
    pub epoch: Option<Epoch>,
    pub next_seq: u8,
    events: [Option<Event>; MOST_EVENTS],
    /// How many events are released; those of an open commit come after them.
    released: usize,
    open: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Claimed(Epoch),
    Released(Commit),
    /// It counts, and its commit waits for more records.
    Pending,
    Skipped,
}

impl Reader {
    pub fn new(mutation: Mutation) -> Self {
        Self { mutation, next: 0, epoch: None, next_seq: 0, events: [None; MOST_EVENTS], released: 0, open: 0 }
    }

    pub fn of<'a>(mutation: Mutation, log: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut reader = Self::new(mutation);
        reader.read(log);
        reader
    }

    pub fn read<'a>(&mut self, log: impl IntoIterator<Item = &'a Entry>) {
        for entry in log {
            self.step(&entry.record);
        }
    }

    pub fn step(&mut self, record: &Record) -> Step {
        let offset = self.next;
        self.next += 1;
        match record {
            Record::Claim { nonce, .. } => {
                let epoch = Epoch { offset, nonce: *nonce };
                self.epoch = Some(epoch);
                self.next_seq = 0;
                self.open = 0;
                Step::Claimed(epoch)
            }
            Record::Event(event) if self.is_in_force(event) => self.take(*event),
            Record::Event(_) => Step::Skipped,
        }
    }

    /// The events released so far, in order.
    pub fn fold(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events[..self.released].iter().flatten()
    }

    pub fn holds(&self, commit: Commit) -> bool {
        self.fold().any(|event| event.commit == commit)
    }

    pub fn holds_command(&self, command: u8) -> bool {
        self.fold().any(|event| event.commit.command == command)
    }

    pub fn version(&self) -> u8 {
        self.released as u8
    }

    /// Whether a position can be taken here.
    pub fn is_outside_commits(&self) -> bool {
        self.open == 0
    }

    /// What a reader goes on with that resumes from a position taken here.
    pub fn resumed(&self) -> Self {
        let whole = Self { open: 0, ..*self };
        match self.mutation {
            Mutation::OffsetAloneResumed => Self { epoch: None, next_seq: 0, ..whole },
            _ => whole,
        }
    }

    fn is_in_force(&self, event: &Event) -> bool {
        let in_epoch = match (self.mutation, self.epoch) {
            (_, None) => false,
            (Mutation::EpochIgnored, Some(_)) => true,
            (Mutation::NonceIgnored, Some(epoch)) => epoch.offset == event.epoch.offset,
            (_, Some(epoch)) => epoch == event.epoch,
        };
        let in_sequence = self.mutation == Mutation::SeqIgnored || event.seq == self.next_seq;
        in_epoch && in_sequence
    }

    fn take(&mut self, event: Event) -> Step {
        let fits = match self.open {
            0 => event.index == 0,
            open => {
                let first = &self.events[self.released];
                event.index as usize == open && first.is_some_and(|first| first.commit == event.commit)
            }
        };
        if !fits {
            return Step::Skipped;
        }
        self.events[self.released + self.open] = Some(event);
        self.next_seq = event.seq + 1;
        self.open += 1;
        if event.is_last_of_commit() || self.mutation == Mutation::CommitsReleasedInParts {
            self.released += self.open;
            self.open = 0;
        }
        if event.is_last_of_commit() { Step::Released(event.commit) } else { Step::Pending }
    }
}
