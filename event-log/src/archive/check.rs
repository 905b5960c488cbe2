//! Whether a range is what its manifest says.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;

use super::archiver::schema_of;
use super::error::ArchiveError;
use super::identity::ArchiveIdentity;
use super::manifest::{Link, Manifest, manifest_name};
use super::store::Archive;
use crate::position::Position;
use crate::reader::{CommitReader, Step};
use crate::record::LogRecord;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The manifest or the file that is wrong.
    pub name: String,
    pub partition: u32,
    pub offset: u64,
    pub what: String,
}

/// Checks one range after another of a partition, from the first one on.
pub struct ChainCheck<'a> {
    archive: &'a Archive,
    identity: &'a ArchiveIdentity,
    partition: u32,
    previous: Option<Link>,
    /// None once records could not be read: where readers stand is not known then, until a range ends outside a commit.
    reader: Option<CommitReader>,
}

impl<'a> ChainCheck<'a> {
    pub fn new(archive: &'a Archive, identity: &'a ArchiveIdentity, partition: u32) -> Self {
        let reader = Some(CommitReader::resume(partition, Position::START));
        Self { archive, identity, partition, previous: None, reader }
    }

    /// Checks the next range, and gives each of its records to `each`, which says what is wrong with it otherwise.
    ///
    /// # Errors
    /// When object storage does not answer. What is wrong with the range is no error.
    pub async fn next(
        &mut self,
        link: Link,
        mut each: impl AsyncFnMut(&LogRecord) -> Option<String>,
    ) -> Result<Vec<Finding>, ArchiveError> {
        let manifest = &link.manifest;
        let mut findings = Findings::of(manifest);
        if !link.follows(self.previous.as_ref()) {
            findings.manifest(match &self.previous {
                Some(previous) => format!(
                    "does not follow {}: its chain is broken, or a range between them is missing",
                    manifest_name(self.partition, previous.manifest.first_offset)
                ),
                None => "is the first of its partition, and does not begin the chain at offset 0".to_owned(),
            });
        }
        if manifest.log_id != self.identity.log_id {
            findings.manifest("is of another log".to_owned());
        }
        let mut schemas = Schemas::of(manifest, &mut findings);
        match self.archive.records(manifest).await {
            Ok(mut chunks) => {
                let mut last = None;
                while let Some(chunk) = chunks.next().await {
                    let chunk = match chunk {
                        Ok(chunk) => chunk,
                        Err(error) if error.is_retryable() => return Err(error),
                        Err(error) => {
                            findings.file(last.as_ref().map_or(manifest.first_offset, next), &error);
                            last = None;
                            self.reader = None;
                            break;
                        }
                    };
                    for record in &chunk {
                        if last.is_none() && record.timestamp != manifest.first_timestamp {
                            findings.record(record, format!("has the time {}", record.timestamp));
                        }
                        self.step(record, &mut schemas, &mut findings);
                        if let Some(what) = each(record).await {
                            findings.record(record, what);
                        }
                        last = Some((record.offset, record.timestamp, record.mark()));
                    }
                }
                if let Some((offset, timestamp, mark)) = last
                    && (timestamp, mark) != (manifest.last_timestamp, manifest.last_mark)
                {
                    findings.manifest(format!("does not tell the time and the mark of its last record, {offset}"));
                }
            }
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => {
                findings.file(manifest.first_offset, &error);
                self.reader = None;
            }
        }
        self.compare_position(manifest, &mut findings);
        let found = findings.found;
        self.previous = Some(link);
        Ok(found)
    }

    fn step(&mut self, record: &LogRecord, schemas: &mut Schemas, findings: &mut Findings<'_>) {
        let Some(reader) = &mut self.reader else { return };
        match reader.step(record.clone()) {
            Ok(Step::Pending | Step::Released(_)) => {
                if let Err(what) = schemas.describe(record) {
                    findings.record(record, what);
                }
            }
            Ok(_) => {}
            // The chain is broken here, which was found by its manifests.
            Err(_) => self.reader = None,
        }
    }

    fn compare_position(&mut self, manifest: &Manifest, findings: &mut Findings<'_>) {
        match &self.reader {
            Some(reader) if reader.position() != manifest.position => {
                findings.manifest("does not tell where a reader stands behind it".to_owned());
            }
            Some(_) => {}
            // A reader that begins here compares nothing: it has not read the record before.
            None if manifest.position.next_offset == manifest.end() => {
                let position = Position { last_record: None, ..manifest.position };
                self.reader = Some(CommitReader::resume(self.partition, position));
            }
            None => {}
        }
    }
}

fn next(last: &(u64, i64, uuid::Uuid)) -> u64 {
    last.0 + 1
}

struct Findings<'a> {
    manifest: &'a Manifest,
    found: Vec<Finding>,
}

impl<'a> Findings<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        Self { manifest, found: Vec::new() }
    }

    fn manifest(&mut self, what: String) {
        let Manifest { partition, first_offset, .. } = *self.manifest;
        let name = manifest_name(partition, first_offset).to_string();
        self.found.push(Finding { name, partition, offset: first_offset, what });
    }

    fn record(&mut self, record: &LogRecord, what: String) {
        let (name, partition) = (self.manifest.file.clone(), self.manifest.partition);
        self.found.push(Finding { name, partition, offset: record.offset, what });
    }

    fn file(&mut self, offset: u64, error: &ArchiveError) {
        let what = match error {
            ArchiveError::Damaged { what, .. } => what.clone(),
            error => error.to_string(),
        };
        let (name, partition) = (self.manifest.file.clone(), self.manifest.partition);
        self.found.push(Finding { name, partition, offset, what });
    }
}

/// What a manifest embeds, by what values name it with.
struct Schemas(HashMap<(u32, String), Schema>);

impl Schemas {
    fn of(manifest: &Manifest, findings: &mut Findings<'_>) -> Self {
        let mut schemas = HashMap::new();
        for embedded in &manifest.schemas {
            match Schema::parse_str(&embedded.schema) {
                Ok(schema) => {
                    schemas.insert((embedded.id, embedded.fingerprint.clone()), schema);
                }
                Err(error) => findings.manifest(format!("embeds a schema {} that is none: {error}", embedded.id)),
            }
        }
        Self(schemas)
    }

    /// Whether the value of a record can be read with what is embedded, and nothing else.
    fn describe(&self, record: &LogRecord) -> Result<(), String> {
        let Some(used) = schema_of(record) else { return Ok(()) };
        let schema = self.0.get(&(used.id, used.fingerprint.clone()));
        let schema = schema.ok_or_else(|| format!("was written with schema {}, which is not embedded", used.id))?;
        let mut datum = record.value.as_deref().and_then(|value| value.get(5..)).unwrap_or_default();
        let read = GenericDatumReader::builder(schema).build().and_then(|reader| reader.read_value(&mut datum));
        match read {
            Ok(_) if datum.is_empty() => Ok(()),
            Ok(_) => Err(format!("is longer than schema {} says", used.id)),
            Err(error) => Err(format!("is not what schema {} says: {error}", used.id)),
        }
    }
}
