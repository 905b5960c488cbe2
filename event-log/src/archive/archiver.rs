//! How the records of one partition become ranges. No IO but for a temporary file, and no clock: whoever feeds it says when a range is
//! closed.

use std::collections::BTreeSet;
use std::io::{self, Seek, SeekFrom};

use tempfile::SpooledTempFile;
use thiserror::Error;

use super::FORMAT;
use super::error::ArchiveError;
use super::identity::ArchiveIdentity;
use super::manifest::{EmbeddedSchema, Link, Manifest};
use super::record_file::{RecordWriter, Written};
use super::store::{Archive, file_of};
use crate::position::Position;
use crate::reader::{CommitReader, Halt, Step};
use crate::record::LogRecord;

/// The header in which a record names the schema of its value.
const SCHEMA_FP: &str = "schema_fp";

/// A schema that a value of a range was written with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaUse {
    /// The id in the first bytes of the value.
    pub id: u32,
    /// What the header of its record says.
    pub fingerprint: String,
}

/// What came of closing a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The chain ends with this range now.
    Appended(Box<Link>),
    /// Somebody else has extended the chain meanwhile: read it again, and go on behind it.
    Lost,
}

/// A record was not taken.
#[derive(Debug, Error)]
pub enum TakeError {
    #[error(transparent)]
    Halt(#[from] Halt),
    #[error("a temporary file for the archive cannot be written; see that there is room where TMPDIR says")]
    Spool(#[from] io::Error),
}

/// Makes ranges of the records of one partition, which it is fed in order from [`PartitionArchiver::first_offset`] on.
pub struct PartitionArchiver {
    identity: ArchiveIdentity,
    partition: u32,
    tip: Option<Link>,
    /// Reads all that is fed, so that each range knows where readers stand behind it.
    reader: CommitReader,
    range: Option<OpenRange>,
}

/// The range that records are added to.
pub struct OpenRange {
    writer: RecordWriter,
    first_offset: u64,
    first_timestamp: i64,
    last_offset: u64,
    last_timestamp: i64,
    last_mark: uuid::Uuid,
    size: u64,
    schemas: BTreeSet<SchemaUse>,
}

/// A range that takes no more records and is to be stored.
pub struct ClosedRange {
    pub manifest: Manifest,
    pub(super) file: SpooledTempFile,
    /// Of its records, before they are compressed.
    pub record_bytes: u64,
}

impl PartitionArchiver {
    /// Goes on where the chain of the partition ends.
    pub async fn resume(archive: &Archive, identity: &ArchiveIdentity, partition: u32) -> Result<Self, ArchiveError> {
        Ok(Self::after(identity, partition, archive.tip(partition).await?))
    }

    pub(super) fn after(identity: &ArchiveIdentity, partition: u32, tip: Option<Link>) -> Self {
        let position = tip.as_ref().map_or(Position::START, |link| link.manifest.position);
        let reader = CommitReader::resume(partition, position);
        Self { identity: identity.clone(), partition, tip, reader, range: None }
    }

    /// The record to feed first: one that is archived already and shows whether the log is still the one that was archived.
    pub fn first_offset(&self) -> u64 {
        self.reader.next_offset()
    }

    /// The first offset that is not archived.
    pub fn archived_to(&self) -> u64 {
        self.tip.as_ref().map_or(0, |link| link.manifest.end())
    }

    pub fn tip(&self) -> Option<&Link> {
        self.tip.as_ref()
    }

    /// The range that is open, if it has a record.
    pub fn open(&self) -> Option<&OpenRange> {
        self.range.as_ref()
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// When it is not the next one, or the log is not the one that was archived: nothing more can be taken then.
    pub fn take(&mut self, record: LogRecord) -> Result<(), TakeError> {
        let step = self.reader.step(record.clone())?;
        if let Some(link) = &self.tip
            && record.offset <= link.manifest.last_offset
        {
            let (partition, offset, found) = (self.partition, record.offset, record.mark());
            let expected = link.manifest.last_mark;
            if offset == link.manifest.last_offset && found != expected {
                return Err(Halt::Rewritten { partition, offset, expected, found }.into());
            }
            return Ok(());
        }
        let range = match &mut self.range {
            Some(range) => range,
            None => self.range.insert(OpenRange::begin(&record)?),
        };
        range.push(&record, matches!(step, Step::Pending | Step::Released(_)))?;
        Ok(())
    }

    /// Closes the range that is open. Nothing is stored yet: see [`Archive::append`] and [`PartitionArchiver::stored`].
    ///
    /// # Errors
    /// When the temporary file cannot be written; what was in the range has to be fed again to a fresh archiver then.
    pub fn close(&mut self, schemas: Vec<EmbeddedSchema>) -> Result<Option<ClosedRange>, ArchiveError> {
        let Some(range) = self.range.take() else { return Ok(None) };
        let Written { file, bytes, sha256 } = range.writer.finish()?;
        let manifest = Manifest {
            format: FORMAT,
            log_id: self.identity.log_id,
            topic: self.identity.topic.clone(),
            partition: self.partition,
            first_offset: range.first_offset,
            last_offset: range.last_offset,
            records: range.last_offset - range.first_offset + 1,
            first_timestamp: range.first_timestamp,
            last_timestamp: range.last_timestamp,
            file: file_of(self.partition, range.first_offset, &sha256),
            bytes,
            sha256,
            previous: self.tip.as_ref().map(|link| link.sha256.clone()),
            last_mark: range.last_mark,
            position: self.reader.position(),
            schemas,
        };
        Ok(Some(ClosedRange { manifest, file, record_bytes: range.size }))
    }

    /// The range that was closed is stored, and the next one follows it.
    pub fn stored(&mut self, link: Link) {
        self.tip = Some(link);
    }
}

impl OpenRange {
    fn begin(record: &LogRecord) -> Result<Self, io::Error> {
        Ok(Self {
            writer: RecordWriter::new()?,
            first_offset: record.offset,
            first_timestamp: record.timestamp,
            last_offset: record.offset,
            last_timestamp: record.timestamp,
            last_mark: record.mark(),
            size: 0,
            schemas: BTreeSet::new(),
        })
    }

    fn push(&mut self, record: &LogRecord, may_count: bool) -> Result<(), io::Error> {
        self.writer.push(record)?;
        self.last_offset = record.offset;
        self.last_timestamp = record.timestamp;
        self.last_mark = record.mark();
        self.size += record.size() as u64;
        if may_count {
            self.schemas.extend(schema_of(record));
        }
        Ok(())
    }

    /// Key, value and headers of all its records, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn first_timestamp(&self) -> i64 {
        self.first_timestamp
    }

    pub fn next_offset(&self) -> u64 {
        self.last_offset + 1
    }

    /// What has to be embedded when it is closed.
    pub fn schemas(&self) -> impl Iterator<Item = &SchemaUse> {
        self.schemas.iter()
    }
}

impl ClosedRange {
    pub(super) fn rewind(&mut self) -> Result<(), io::Error> {
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }
}

/// The schema that the value of a record says it was written with; none of a record that does not say so.
pub(super) fn schema_of(record: &LogRecord) -> Option<SchemaUse> {
    let (prefix, _) = record.value.as_deref()?.split_first_chunk::<5>()?;
    let [0, id @ ..] = *prefix else { return None };
    let fingerprint = std::str::from_utf8(record.headers.get(SCHEMA_FP)?).ok()?.to_owned();
    let is_digest = fingerprint.len() == 64 && fingerprint.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_digest.then_some(SchemaUse { id: u32::from_be_bytes(id), fingerprint })
}
