//! The archive, read along one partition.

use super::RestoreError;
use crate::archive::{Archive, Chunks, Link, manifest_name};
use crate::record::LogRecord;

/// The archived records of a partition from one offset to another, range after range.
pub struct Walk<'a> {
    archive: &'a Archive,
    partition: u32,
    next: u64,
    end: u64,
    chunks: Option<Chunks>,
    last: Option<Link>,
}

impl<'a> Walk<'a> {
    pub fn new(archive: &'a Archive, partition: u32, next: u64, end: u64) -> Self {
        Self { archive, partition, next, end, chunks: None, last: None }
    }

    pub async fn next(&mut self) -> Result<Option<Vec<LogRecord>>, RestoreError> {
        while self.next < self.end {
            let Some(chunks) = &mut self.chunks else {
                let link = self.link().await?;
                self.chunks = Some(self.archive.records(&link.manifest).await?);
                self.last = Some(link);
                continue;
            };
            let Some(chunk) = chunks.next().await else {
                self.chunks = None;
                continue;
            };
            let mut records = chunk?;
            records.retain(|record| (self.next..self.end).contains(&record.offset));
            if let Some(last) = records.last() {
                self.next = last.offset + 1;
                return Ok(Some(records));
            }
        }
        Ok(None)
    }

    async fn link(&self) -> Result<Link, RestoreError> {
        let link = match &self.last {
            Some(_) => self.archive.link(self.partition, self.next).await?,
            None => self.archive.link_before(self.partition, self.next).await?,
        };
        let name = manifest_name(self.partition, self.next);
        let refused = |what| RestoreError::Refused(format!("{name} of the archive at {} {what}", self.archive.place()));
        let link = link.filter(|link| link.manifest.last_offset >= self.next);
        let link = link.ok_or_else(|| refused("is missing; see `replay-tool archive verify`"))?;
        if self.last.as_ref().is_some_and(|last| !link.follows(Some(last))) {
            return Err(refused("does not follow the manifest before it; see `replay-tool archive verify`"));
        }
        Ok(link)
    }
}
