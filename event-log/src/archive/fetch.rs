//! The records of a range, from a file whose checksum has been seen to be right before any of them is given.

use std::io::Write as _;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt};
use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;
use tokio::sync::mpsc;

use super::error::ArchiveError;
use super::manifest::{Manifest, hex};
use super::record_file::{RecordReader, spool};
use super::store::Archive;
use crate::record::LogRecord;

/// What is decoded ahead of whoever takes it: two pieces of at most this many records, or bytes and a record.
const CHUNKS: usize = 2;
const CHUNK_RECORDS: usize = 1_000;
const CHUNK_BYTES: usize = 256 * 1024;

/// The records of a range, some at a time.
#[derive(Debug)]
pub struct Chunks {
    receiver: mpsc::Receiver<Result<Vec<LogRecord>, ArchiveError>>,
}

impl Chunks {
    /// The next records in order. None after the last one of the range, or after an error. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Vec<LogRecord>, ArchiveError>> {
        self.receiver.recv().await
    }
}

impl Archive {
    /// Fetches the file of a range, compares its checksum, and then gives its records.
    ///
    /// # Errors
    /// When it cannot be fetched, or is not what the manifest says.
    pub async fn records(&self, manifest: &Manifest) -> Result<Chunks, ArchiveError> {
        let mut file = spool();
        self.pass_on(manifest, |piece| file.write_all(piece)).await?;
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let (archive, manifest) = (self.clone(), manifest.clone());
        // It ends when the file does, or when nobody takes what it gives.
        tokio::task::spawn_blocking(move || archive.decode(&manifest, file, &sender));
        Ok(Chunks { receiver })
    }

    /// Reads the file of a range back and compares its checksum.
    ///
    /// # Errors
    /// When it cannot be fetched, or is not what the manifest says.
    pub async fn check_file(&self, manifest: &Manifest) -> Result<(), ArchiveError> {
        self.pass_on(manifest, |_| Ok(())).await
    }

    async fn pass_on(
        &self,
        manifest: &Manifest,
        mut to: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), ArchiveError> {
        let name = Path::from(manifest.file.as_str());
        let missing = |error| match error {
            StoreError::NotFound { .. } => self.damaged(&name, "is missing, though its manifest is there"),
            error => ArchiveError::Store(error),
        };
        let mut pieces = self.objects.get(&name).await.map_err(missing)?.into_stream();
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        while let Some(piece) = pieces.try_next().await.map_err(ArchiveError::Store)? {
            hash.update(&piece);
            bytes += piece.len() as u64;
            to(&piece)?;
        }
        let found = hex(&hash.finalize());
        if (bytes, found.as_str()) != (manifest.bytes, manifest.sha256.as_str()) {
            let Manifest { bytes: wanted_bytes, sha256, .. } = manifest;
            let what = format!(
                "has {bytes} bytes with the SHA-256 {found}, and its manifest says {wanted_bytes} with {sha256}"
            );
            return Err(self.damaged(&name, what));
        }
        Ok(())
    }

    /// Gives an error in the place of what cannot be decoded, or is not what the manifest says, and nothing after it.
    fn decode(
        &self,
        manifest: &Manifest,
        file: SpooledTempFile,
        to: &mpsc::Sender<Result<Vec<LogRecord>, ArchiveError>>,
    ) {
        let name = Path::from(manifest.file.as_str());
        let outcome = || -> Result<(), String> {
            let records = RecordReader::new(manifest.partition, file).map_err(|error| error.to_string())?;
            let mut expected = manifest.first_offset;
            let (mut chunk, mut bytes) = (Vec::new(), 0);
            for record in records {
                let record = record.map_err(|error| format!("cannot be decoded at offset {expected}: {error}"))?;
                if record.offset != expected || expected > manifest.last_offset {
                    return Err(format!("has the record {} where {expected} belongs", record.offset));
                }
                expected += 1;
                bytes += record.size();
                chunk.push(record);
                if chunk.len() >= CHUNK_RECORDS || bytes >= CHUNK_BYTES {
                    if to.blocking_send(Ok(std::mem::take(&mut chunk))).is_err() {
                        return Ok(());
                    }
                    bytes = 0;
                }
            }
            if expected != manifest.end() {
                return Err(format!("ends before offset {expected}, and its manifest says {}", manifest.end()));
            }
            if !chunk.is_empty() {
                // Whoever does not listen has seen enough.
                let _ = to.blocking_send(Ok(chunk));
            }
            Ok(())
        };
        if let Err(what) = outcome() {
            let _ = to.blocking_send(Err(self.damaged(&name, what)));
        }
    }
}
