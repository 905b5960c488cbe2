//! Kafka as an event store.
//!
//! Kafka has no conditional append, so the log itself arbitrates: an owner *claims* a partition by writing a claim
//! record, and one reader rule ([`reader::CommitReader`]) decides for everybody, the owner included, which of the
//! records after it count. The protocol and why it is right are in `docs/claim-protocol.md`.
//!
//! - [`record`]: records and the headers the protocol stamps on them
//! - [`reader`]: the reader rule: what counts, what is skipped, when a commit is whole
//! - [`position`]: where a reader stands, and how a resume notices a log that was cut back
//! - [`owner`]: the owner of a partition as a state machine without IO: claims, pipelined appends, settlement
//! - [`log`]: the trait through which an owner or a reader meets a log
//! - [`state`]: what an owner keeps beside the log: a local store, and snapshots in object storage
//! - [`archive`]: copies of the log in object storage
//! - [`kafka`]: that trait on a Kafka cluster, with group membership and topics
//! - [`simulated`]: that trait on a log in memory which loses, delays and repeats what no real broker can be made to
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod archive;
pub mod kafka;
pub mod log;
pub mod owner;
pub mod position;
pub mod reader;
pub mod record;
pub mod simulated;
pub mod state;
