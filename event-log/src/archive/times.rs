//! Where a time is in a partition of the archive.

use super::error::ArchiveError;
use super::manifest::{Manifest, manifest_name};
use super::store::Archive;

/// A place between two records of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Of the first record that was appended at the time or later.
    pub offset: u64,
    /// When the record before that was appended, if there is one.
    pub before: Option<i64>,
    /// All that is archived is older: the offset is where the archive ends.
    pub is_behind_all: bool,
}

impl Archive {
    /// Where what was appended at a time or later begins, in milliseconds since 1970. It takes the times of brokers to go forward only, as
    /// the cluster's own look-up does, and halves the ranges until one is left: of a year of ten minutes each it asks for 16 manifests and a file.
    ///
    /// # Errors
    /// When a manifest cannot be read, or the one file that the time lies in is not what its manifest says.
    pub async fn moment(&self, partition: u32, time: i64) -> Result<Moment, ArchiveError> {
        let first_offsets = self.first_offsets(partition).await?;
        let mut ranges = &first_offsets[..];
        // The last of the ranges that are older as a whole, and the first of the others.
        let (mut older, mut found) = (None, None);
        while let Some(first_offset) = ranges.get(ranges.len() / 2) {
            let (left, right) = (&ranges[..ranges.len() / 2], &ranges[ranges.len() / 2 + 1..]);
            let link = self.link(partition, *first_offset).await?;
            let missing =
                || self.damaged(&manifest_name(partition, *first_offset), "is missing, and was there a moment ago");
            let manifest = link.ok_or_else(missing)?.manifest;
            if manifest.last_timestamp < time {
                (ranges, older) = (right, Some(manifest));
            } else {
                (ranges, found) = (left, Some(manifest));
            }
        }
        let before = older.as_ref().map(|older| older.last_timestamp);
        match found {
            Some(range) => self.moment_in(&range, time, before).await,
            None => Ok(Moment { offset: older.map_or(0, |older| older.end()), before, is_behind_all: true }),
        }
    }

    /// The same in a range whose last record is not older.
    async fn moment_in(&self, range: &Manifest, time: i64, before: Option<i64>) -> Result<Moment, ArchiveError> {
        let mut moment = Moment { offset: range.first_offset, before, is_behind_all: false };
        if range.first_timestamp >= time {
            return Ok(moment);
        }
        let mut chunks = self.records(range).await?;
        while let Some(chunk) = chunks.next().await {
            for record in chunk? {
                if record.timestamp >= time {
                    return Ok(moment);
                }
                moment = Moment { offset: record.offset + 1, before: Some(record.timestamp), ..moment };
            }
        }
        Ok(moment)
    }
}
