//! Copies of the log in object storage, from which the log is read on where its beginning was deleted, and restored.
//!
//! The archive of a log is a chain of closed offset ranges for each partition. A range is a file of records and a manifest:
//!
//! ```text
//! log.json                                             which log it is
//! records/<partition>/<first offset>-<checksum>.avro   the records as they stand in the log
//! manifests/<partition>/<first offset>.json            what the file holds, and the checksum of the manifest before
//! ```
//!
//! The file is written before the manifest, and the manifest only where there is none of that name: so a file without a manifest
//! never happened, and of two who extend a chain one loses and reads it again. `docs/archive.md` says what is promised.
//!
//! - [`Archive`]: the place; reads chains and files, and believes no byte whose checksum it has not seen to be right
//! - [`PartitionArchiver`]: makes ranges of the records of one partition, without knowing where those come from
//! - [`Manifest`]: what is known of a range; [`ArchiveIdentity`]: which log the archive is of
//! - [`ChainCheck`]: whether ranges are what its manifest says, and follows the one before
//!
//! Nothing here knows Kafka: [`crate::kafka`] reads through an archive, and restores a topic from one.

mod archiver;
mod check;
mod error;
mod fetch;
mod identity;
mod manifest;
mod record_file;
mod store;
mod times;

pub use archiver::{Closed, ClosedRange, OpenRange, PartitionArchiver, SchemaUse, TakeError};
pub use check::{ChainCheck, Finding};
pub use error::ArchiveError;
pub use fetch::Chunks;
pub use identity::ArchiveIdentity;
pub use manifest::{EmbeddedSchema, Link, Manifest, manifest_name};
pub use store::Archive;
pub use times::Moment;

/// The format that this build writes. It reads none that is newer.
const FORMAT: u32 = 1;

#[cfg(test)]
mod tests;
