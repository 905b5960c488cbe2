//! The records of the model's one partition. All numbers are small, so that states are.

pub type Owner = u8;
pub type Command = u8;

/// Stands for the random nonce of a claim: claims are numbered 1, 2, 3.. in the order in which they are made.
pub type Nonce = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch {
    pub offset: u8,
    pub nonce: Nonce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Record {
    Claim { owner: Owner, nonce: Nonce },
    Event(Event),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    pub epoch: Epoch,
    pub seq: u8,
    pub commit: Commit,
    /// Which record of its commit it is, and of how many.
    pub index: u8,
    pub count: u8,
    pub version: u8,
    /// The event before it in what its owner decided on. Real records do not carry it: it is here to be checked.
    pub after: Option<EventId>,
}

/// One attempt at a command: within an epoch an owner decides a command once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commit {
    pub nonce: Nonce,
    pub command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    pub nonce: Nonce,
    pub seq: u8,
}

impl Record {
    /// The nonce of the claim that its producer works under.
    pub fn nonce(&self) -> Nonce {
        match self {
            Self::Claim { nonce, .. } => *nonce,
            Self::Event(event) => event.epoch.nonce,
        }
    }

    pub fn is_of(&self, commit: Commit) -> bool {
        matches!(self, Self::Event(event) if event.commit == commit)
    }
}

impl Event {
    pub fn id(&self) -> EventId {
        EventId { nonce: self.epoch.nonce, seq: self.seq }
    }

    pub fn is_last_of_commit(&self) -> bool {
        self.index + 1 == self.count
    }
}

/// A record at its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub record: Record,
    /// Stands for the broker's time of appending, of which it matters only whether the log had been cut back by then.
    pub after_cut: bool,
}

impl Entry {
    /// The nonce, if it is a claim.
    pub fn claim(&self) -> Option<Nonce> {
        match self.record {
            Record::Claim { nonce, .. } => Some(nonce),
            Record::Event(_) => None,
        }
    }
}
