//! What goes into a partition's runtime and what comes out of it.

use event_log::reader::{Commit, Halt};
use event_log::record::{Claim, Epoch};
use event_schema::hash::CommandHash;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Actor, Command, Rejection};

/// A validated command on its way to the owner of its partition. It crosses instances as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// The same for every attempt at one command, whoever makes it.
    pub command_id: Uuid,
    pub command_hash: CommandHash,
    pub command: Command,
    pub expected_version: Option<u64>,
    pub actor: Actor,
    pub correlation_id: Uuid,
    pub traceparent: Option<String>,
}

/// Names one who waits for an answer; the runtime gives it back and makes nothing of it.
pub type Ticket = u64;

/// Where an accepted command stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub aggregate_id: Uuid,
    /// The aggregate's version after the command; 0 where it never had an event and got none.
    pub version: u64,
    pub partition: u32,
    /// The offset of the last record of the command, or, when it changed nothing, of the last one that this rests on: the
    /// aggregate's or its root's.
    pub offset: u64,
    /// Whether the command appended anything, now or when it was first made.
    pub changed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It is in the log and counts.
    Done(Receipt),
    /// A rule refused it; nothing was appended. Not remembered: the same command may be accepted later.
    Rejected(Rejection),
    /// Another command was made under the same id.
    KeyReused,
    /// The partition is not served here. Whether or not the command was appended here before, it may be sent to the
    /// owner under the same id: the owner's claim settled what counts.
    NotOwner,
    /// Too many commands wait here already; nothing was appended.
    Overloaded,
    /// An event of it would be larger than a record may be, in bytes; nothing was appended.
    TooLarge { size: usize, limit: usize },
    /// The command id was made so long ago that it might have been forgotten; nothing was appended.
    TooOld,
}

/// What a runtime has to say, in order.
#[derive(Debug)]
pub enum Output {
    Answer(Ticket, Answer),
    Serving(Epoch),
    Released(Commit),
    InDoubt,
    Deposed(Claim),
    Stopped,
    Skipped(event_log::reader::Skip),
    Halted(Halted),
}

/// Why a partition can be served no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halted {
    #[error(transparent)]
    Log(#[from] Halt),
    #[error("partition {partition} holds at offset {offset} a record that cannot be read: {reason}")]
    Unreadable { partition: u32, offset: u64, reason: String },
    /// What was decided on is not to be had any more. `damaged` says that it has to be derived anew; else the store failed.
    #[error("the state of partition {partition} cannot be used: {reason}")]
    State { partition: u32, reason: String, damaged: bool },
}
