//! What can go wrong with an archive.

use object_store::path::Path;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ArchiveError {
    #[error("the object storage of the archive failed")]
    Store(#[source] object_store::Error),
    #[error("a temporary file for the archive cannot be used; see that there is room where TMPDIR says")]
    Spool(#[from] std::io::Error),
    #[error(
        "the archive at {place} is of log {found} with {found_partitions} partitions, and this is log {wanted} with {wanted_partitions}; \
         name another place"
    )]
    AnotherLog { place: String, found: String, found_partitions: u32, wanted: String, wanted_partitions: u32 },
    #[error("there is no archive at {place}; `projectors archive` makes one")]
    Empty { place: String },
    #[error(
        "{name} of the archive at {place} {what}; put a whole copy of it back, from a former version or a replica of the storage"
    )]
    Damaged { place: String, name: String, what: String },
    #[error("this process is shutting down")]
    Closing,
}

impl ArchiveError {
    /// Whether the same call may succeed later without anybody mending the archive.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Spool(_) | Self::Closing)
    }

    pub(super) fn damaged(place: &str, name: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { place: place.to_owned(), name: name.to_string(), what: what.into() }
    }
}
