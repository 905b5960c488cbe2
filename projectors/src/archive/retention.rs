//! Deleting from the cluster what has been archived for long.
//!
//! A range is read back before anything of it is deleted. The record at which a reader resumes who stands behind the range stays, so that it
//! can be compared with the archive and with positions.

use std::time::Duration;

use chrono::Utc;
use event_log::archive::{Link, Manifest};
use tokio::time::Instant;

use crate::archive::args::DeleteAfter;
use crate::archive::{Shared, meters, told};

const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// How far the deleting of a partition is.
#[derive(Debug)]
pub struct Deleting {
    partition: u32,
    /// When it is looked again.
    next_look: Instant,
    /// The range that is deleted next; asked for where it is not known.
    next: Option<Link>,
    /// The ranges before this offset have been read back.
    checked_to: u64,
}

impl Deleting {
    pub fn new(partition: u32) -> Self {
        Self { partition, next_look: Instant::now(), next: None, checked_to: 0 }
    }

    /// Deletes what is old enough, now and then. What fails is told and tried again: archiving goes on meanwhile.
    pub async fn step(&mut self, shared: &Shared, is_revoked: impl Fn() -> bool) {
        let DeleteAfter::After(age) = shared.settings.delete_after else { return };
        if Instant::now() < self.next_look {
            return;
        }
        if let Err(why) = self.delete(shared, age, is_revoked).await {
            meters::failed("retention");
            tracing::error!(partition = self.partition, error = why, "nothing more is deleted from the log for now");
            self.next = None;
        }
        self.next_look = Instant::now() + (age / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    }

    async fn delete(&mut self, shared: &Shared, age: Duration, is_revoked: impl Fn() -> bool) -> Result<(), String> {
        let oldest_kept = Utc::now().timestamp_millis() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        while !is_revoked() {
            let Some(link) = self.next(shared).await? else { return Ok(()) };
            let manifest = &link.manifest;
            if manifest.last_timestamp > oldest_kept {
                self.next = Some(link);
                return Ok(());
            }
            self.check(shared, manifest).await?;
            let before = kept_from(manifest);
            let deleted = shared.retention.delete_before(self.partition, before).await;
            deleted.map_err(|error| service::problem::chain(&error))?;
            meters::deleted(self.partition, before);
            tracing::info!(
                partition = self.partition,
                offset = before,
                "what was archived before is deleted from the log"
            );
            let next = shared.archive.link(self.partition, manifest.end()).await.map_err(|error| told(&error))?;
            match next {
                Some(next) => self.next = Some(next),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The first range of which there is something left to delete.
    async fn next(&mut self, shared: &Shared) -> Result<Option<Link>, String> {
        if let Some(link) = self.next.take() {
            return Ok(Some(link));
        }
        let held = shared.log.bounds(self.partition).await.map_err(|error| error.to_string())?;
        let mut link = shared.archive.link_before(self.partition, held.start).await.map_err(|error| told(&error))?;
        while let Some(done) = link.take_if(|link| kept_from(&link.manifest) <= held.start) {
            // What is kept of it goes with the range behind it.
            self.check(shared, &done.manifest).await?;
            link = shared.archive.link(self.partition, done.manifest.end()).await.map_err(|error| told(&error))?;
        }
        Ok(link)
    }

    /// Reads a range back, unless that was done.
    async fn check(&mut self, shared: &Shared, manifest: &Manifest) -> Result<(), String> {
        if manifest.end() > self.checked_to {
            shared.archive.check_file(manifest).await.map_err(|error| told(&error))?;
            self.checked_to = manifest.end();
        }
        Ok(())
    }
}

/// What stays of the log when a range is deleted: the record before the position behind it.
fn kept_from(manifest: &Manifest) -> u64 {
    manifest.position.first_offset().min(manifest.last_offset)
}
