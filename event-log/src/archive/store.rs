//! The place of an archive: what is asked of object storage, and what is written there.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, WriteMultipart};

use super::archiver::{Closed, ClosedRange};
use super::error::ArchiveError;
use super::identity::ArchiveIdentity;
use super::manifest::{Link, Manifest, file_name, first_offset_of, manifest_folder, manifest_name};
use crate::state::{ObjectStoreError, connect_objects};

/// An archive, as whoever reads or extends it has it. Cheap to clone.
#[derive(Clone)]
pub struct Archive {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) place: Arc<str>,
}

/// Bytes that are handed to an upload at a time, and how many such parts are under way. A file that is no larger goes as one.
const PART: usize = 5 * 1024 * 1024;
const PARTS_UNDER_WAY: usize = 2;

impl Archive {
    /// The archive at a directory or a URL, see [`connect_objects`]. Nothing is asked of a remote store yet.
    ///
    /// # Errors
    /// When the place is not understood, or the directory cannot be made.
    pub fn at(place: &str) -> Result<Self, ObjectStoreError> {
        Ok(Self { objects: connect_objects(place)?, place: place.into() })
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    /// Which log it is of; none of an empty one.
    pub async fn identity(&self) -> Result<Option<ArchiveIdentity>, ArchiveError> {
        let name = identity_name();
        let Some(bytes) = self.read(&name).await? else { return Ok(None) };
        let identity = serde_json::from_slice(&bytes);
        identity.map(Some).map_err(|error| self.damaged(&name, format!("cannot be read: {error}")))
    }

    /// Makes it the archive of this log, if it is not yet.
    ///
    /// # Errors
    /// [`ArchiveError::AnotherLog`] if it is another's.
    pub async fn belong_to(&self, identity: &ArchiveIdentity) -> Result<(), ArchiveError> {
        if self.identity().await?.is_none() {
            let bytes = serde_json::to_vec_pretty(identity).unwrap_or_default();
            match self.create(&identity_name(), bytes.into()).await {
                // Somebody else was quicker; whose it is now is seen below.
                Ok(()) | Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(ArchiveError::Store(error)),
            }
        }
        self.must_be_of(identity).await
    }

    /// # Errors
    /// [`ArchiveError::AnotherLog`] if it is not of this log, [`ArchiveError::Empty`] if it is of none.
    pub async fn must_be_of(&self, wanted: &ArchiveIdentity) -> Result<(), ArchiveError> {
        let Some(found) = self.identity().await? else {
            return Err(ArchiveError::Empty { place: self.place.to_string() });
        };
        if found.is_of_the_same_log(wanted) {
            return Ok(());
        }
        Err(ArchiveError::AnotherLog {
            place: self.place.to_string(),
            found: found.log_id_text(),
            found_partitions: found.partitions,
            wanted: wanted.log_id_text(),
            wanted_partitions: wanted.partitions,
        })
    }

    /// The first offsets of all ranges of a partition, in order.
    pub async fn first_offsets(&self, partition: u32) -> Result<Vec<u64>, ArchiveError> {
        let found = self.objects.list(Some(&manifest_folder(partition)));
        let found: Vec<_> = found.try_collect().await.map_err(ArchiveError::Store)?;
        let mut first_offsets: Vec<_> = found.iter().filter_map(|object| first_offset_of(&object.location)).collect();
        first_offsets.sort_unstable();
        Ok(first_offsets)
    }

    /// The range that begins at an offset, if there is one.
    pub async fn link(&self, partition: u32, first_offset: u64) -> Result<Option<Link>, ArchiveError> {
        let name = manifest_name(partition, first_offset);
        let Some(bytes) = self.read(&name).await? else { return Ok(None) };
        let manifest =
            Manifest::from_bytes(&bytes, partition, first_offset).map_err(|what| self.damaged(&name, what))?;
        Ok(Some(Link::new(manifest, &bytes)))
    }

    /// The last range of a partition; none of a partition of which nothing is archived.
    pub async fn tip(&self, partition: u32) -> Result<Option<Link>, ArchiveError> {
        match self.first_offsets(partition).await?.last() {
            Some(first_offset) => self.link(partition, *first_offset).await,
            None => Ok(None),
        }
    }

    /// The range that would hold an offset: the last one that does not begin behind it. It may end before it.
    pub async fn link_before(&self, partition: u32, offset: u64) -> Result<Option<Link>, ArchiveError> {
        let first_offsets = self.first_offsets(partition).await?;
        match first_offsets.iter().rfind(|first_offset| **first_offset <= offset) {
            Some(first_offset) => self.link(partition, *first_offset).await,
            None => Ok(None),
        }
    }

    /// Files that no manifest speaks of, left by somebody who was killed before he wrote one, or is just about to. They hold nothing that
    /// counts.
    pub async fn unclaimed_files(&self, claimed: &[String]) -> Result<Vec<String>, ArchiveError> {
        let found = self.objects.list(Some(&Path::from("records")));
        let found: Vec<_> = found.try_collect().await.map_err(ArchiveError::Store)?;
        let names = found.into_iter().map(|object| object.location.to_string());
        Ok(names.filter(|name| !claimed.contains(name)).collect())
    }

    /// Stores a range: its file, then its manifest. It can be called again with the same range after an error.
    pub async fn append(&self, range: &mut ClosedRange) -> Result<Closed, ArchiveError> {
        let file = Path::from(range.manifest.file.as_str());
        self.upload(&file, range).await?;
        let bytes = range.manifest.to_bytes();
        let link = Link::new(range.manifest.clone(), &bytes);
        let Manifest { partition, first_offset, .. } = range.manifest;
        match self.create(&manifest_name(partition, first_offset), bytes.into()).await {
            Ok(()) => Ok(Closed::Appended(Box::new(link))),
            Err(StoreError::AlreadyExists { .. }) => {
                // It may be the own one, whose answer was lost.
                let there = self.link(partition, first_offset).await?;
                if there.as_ref() == Some(&link) {
                    return Ok(Closed::Appended(Box::new(link)));
                }
                if there.is_some_and(|there| there.manifest.file != range.manifest.file) {
                    // Nobody speaks of it. If it stays it takes room and nothing else.
                    let _ = self.objects.delete(&file).await;
                }
                Ok(Closed::Lost)
            }
            Err(error) => Err(ArchiveError::Store(error)),
        }
    }

    async fn upload(&self, name: &Path, range: &mut ClosedRange) -> Result<(), ArchiveError> {
        range.rewind()?;
        if range.manifest.bytes <= PART as u64 {
            let mut bytes = Vec::with_capacity(range.manifest.bytes as usize);
            range.file.read_to_end(&mut bytes)?;
            self.objects.put(name, bytes.into()).await.map_err(ArchiveError::Store)?;
            return Ok(());
        }
        let upload = self.objects.put_multipart(name).await.map_err(ArchiveError::Store)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let outcome = async {
            let mut part = vec![0; PART];
            loop {
                let read = range.file.read(&mut part)?;
                if read == 0 {
                    return Ok(());
                }
                upload.wait_for_capacity(PARTS_UNDER_WAY).await.map_err(ArchiveError::Store)?;
                upload.put(Bytes::copy_from_slice(&part[..read]));
            }
        };
        match outcome.await {
            Ok(()) => upload.finish().await.map(drop).map_err(ArchiveError::Store),
            Err(error) => {
                // What was sent of it is given up; a store that does not answer keeps it until its own rules say otherwise.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    async fn create(&self, name: &Path, bytes: Bytes) -> Result<(), StoreError> {
        self.objects.put_opts(name, bytes.into(), PutMode::Create.into()).await.map(drop)
    }

    async fn read(&self, name: &Path) -> Result<Option<Bytes>, ArchiveError> {
        let read = async { self.objects.get(name).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(ArchiveError::Store(error)),
        }
    }

    pub(super) fn damaged(&self, name: &Path, what: impl Into<String>) -> ArchiveError {
        ArchiveError::damaged(&self.place, name, what)
    }
}

fn identity_name() -> Path {
    Path::from("log.json")
}

/// The name of the file of a range.
pub(super) fn file_of(partition: u32, first_offset: u64, sha256: &str) -> String {
    file_name(partition, first_offset, sha256).to_string()
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Archive({})", self.place)
    }
}
