//! One partition of the log: read and archived, again and again.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use event_log::archive::{Closed, EmbeddedSchema, PartitionArchiver, TakeError};
use event_log::kafka::{AssignedPartition, RecordStream, Records};
use tokio::time::{Instant, timeout};

use crate::archive::args::Standing;
use crate::archive::retention::Deleting;
use crate::archive::{NAMES, Shared, meters, told};
use crate::projection::StoreFailure;
use crate::runner::patience::{End, FIRST_PAUSE, Patience};
use crate::runner::status::State;

/// What is taken from the log at once.
const MAX_RECORDS: usize = 1_000;
const MAX_BYTES: usize = 1024 * 1024;
/// How often an idle partition looks whether its range is old enough.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Archives one partition for as long as it is this process's.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    partition: u32,
    patience: Patience,
}

/// The place of a partition in the log and in the archive.
struct Place {
    stream: RecordStream,
    archiver: PartitionArchiver,
    /// When this process began the range that is open.
    begun: Instant,
    deleting: Deleting,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, partition: u32) -> Self {
        let patience = Patience::new(NAMES, partition, shared.status.clone());
        Self { shared, partition, patience }
    }

    /// Archives until the partition is revoked, and closes the range that is open then. A halted partition is held until it is revoked, so
    /// that its state can be seen.
    pub async fn run(self, assigned: AssignedPartition) {
        self.shared.status.set(self.partition, State::Loading);
        match self.load(|| assigned.is_revoked()).await {
            Ok(archiver) => {
                let offset = archiver.archived_to();
                tracing::info!(partition = self.partition, offset, "archiving");
                self.has_reached(offset);
                let stream = assigned.read_records_from(archiver.first_offset()).limits(MAX_RECORDS, MAX_BYTES);
                let deleting = Deleting::new(self.partition);
                let mut place = Place { stream, archiver, begun: Instant::now(), deleting };
                let end = loop {
                    if let Err(end) = self.step(&mut place).await {
                        break end;
                    }
                };
                match end {
                    End::Halted(why) => self.patience.stay_halted(why, || place.stream.is_revoked()).await,
                    // Whoever gets the partition next would have to read it again; if it cannot be stored now, he does.
                    End::Revoked => drop(self.close(&mut place).await),
                }
            }
            Err(End::Halted(why)) => self.patience.stay_halted(why, || assigned.is_revoked()).await,
            Err(End::Revoked) => {}
        }
        self.shared.status.forget(self.partition);
    }

    /// Takes what has arrived, closes the range if it is time, and deletes what is old enough.
    async fn step(&self, place: &mut Place) -> Result<(), End> {
        let patience = (self.shared.settings.range_age / 4).min(LOOK_EVERY);
        match timeout(patience, place.stream.next()).await {
            Ok(Ok(Some(records))) => self.take(place, records).await?,
            Ok(Ok(None)) => return Err(End::Revoked),
            Ok(Err(gone)) => {
                let why = place.stream.halt().map_or_else(|| gone.to_string(), ToString::to_string);
                return Err(End::Halted(why));
            }
            Err(_elapsed) => {}
        }
        if self.is_due(place) {
            self.close(place).await?;
        }
        place.deleting.step(&self.shared, || place.stream.is_revoked()).await;
        Ok(())
    }

    async fn take(&self, place: &mut Place, records: Records) -> Result<(), End> {
        for record in records.records {
            if place.archiver.open().is_none() {
                place.begun = Instant::now();
            }
            match place.archiver.take(record) {
                Ok(()) => {}
                Err(TakeError::Halt(halt)) => {
                    return Err(End::Halted(format!(
                        "{halt}. The log is not the one that the archive at {} holds up to offset {}: restore the log from it, or name another \
                         place for the archive of this one",
                        self.shared.archive.place(),
                        place.archiver.archived_to()
                    )));
                }
                Err(error @ TakeError::Spool(_)) => return self.begin_anew(place, "spool", error.to_string()).await,
            }
            let is_large = |size| size >= self.shared.settings.range_bytes;
            if place.archiver.open().is_some_and(|range| is_large(range.size())) && !self.close(place).await? {
                // The rest of these records comes again.
                return Ok(());
            }
        }
        let oldest = place.archiver.open().map(|range| range.first_timestamp());
        if oldest.is_some() {
            self.shared.status.read(self.partition, oldest);
        }
        Ok(())
    }

    fn is_due(&self, place: &Place) -> bool {
        let Some(range) = place.archiver.open() else { return false };
        let age = Utc::now().timestamp_millis() - range.first_timestamp();
        let end = self.shared.log.end_offset(self.partition);
        self.shared.settings.is_due(Standing {
            size: range.size(),
            age: Duration::from_millis(age.max(0).cast_unsigned()),
            open_for: place.begun.elapsed(),
            is_at_the_end: end.is_some_and(|end| range.next_offset() >= end),
        })
    }

    /// Closes the range that is open, if one is, and returns when it is stored. False if reading begins anew elsewhere: another one had
    /// extended the chain before.
    async fn close(&self, place: &mut Place) -> Result<bool, End> {
        let schemas = self.schemas(place).await?;
        let mut range = match place.archiver.close(schemas) {
            Ok(Some(range)) => range,
            Ok(None) => return Ok(true),
            Err(error) => {
                self.begin_anew(place, "spool", told(&error)).await?;
                return Ok(false);
            }
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match self.shared.archive.append(&mut range).await {
                Ok(Closed::Appended(link)) => {
                    let (manifest, bytes) = (&link.manifest, range.record_bytes);
                    meters::archived(self.partition, manifest.records, bytes, manifest.bytes, manifest.end());
                    tracing::info!(
                        partition = self.partition,
                        offset = manifest.first_offset,
                        records = manifest.records,
                        bytes = manifest.bytes,
                        "a range is archived"
                    );
                    self.shared.status.written(self.partition, manifest.end());
                    place.archiver.stored(*link);
                    return Ok(true);
                }
                Ok(Closed::Lost) => {
                    meters::lost();
                    tracing::warn!(
                        partition = self.partition,
                        offset = range.manifest.first_offset,
                        "another one archives this partition as well, and was quicker"
                    );
                    self.reload(place).await?;
                    return Ok(false);
                }
                Err(error) if error.is_retryable() => {
                    meters::failed("store");
                    self.patience.wait("store", told(&error), &mut pause, || place.stream.is_revoked()).await?;
                }
                Err(error) => return Err(End::Halted(told(&error))),
            }
        }
    }

    /// What the values of the open range were written with.
    async fn schemas(&self, place: &Place) -> Result<Vec<EmbeddedSchema>, End> {
        let mut schemas = Vec::new();
        for used in place.archiver.open().into_iter().flat_map(|range| range.schemas()) {
            let mut pause = FIRST_PAUSE;
            let schema = loop {
                match self.shared.schema(used).await {
                    Ok(schema) => break schema,
                    Err(error) if error.is_retryable() => {
                        meters::failed("schema");
                        let why = error.to_string();
                        self.patience.wait("registry", why, &mut pause, || place.stream.is_revoked()).await?;
                    }
                    Err(error) => return Err(End::Halted(error.to_string())),
                }
            };
            schemas.push(schema);
        }
        Ok(schemas)
    }

    /// After a failure here: what was in the range is read again.
    async fn begin_anew(&self, place: &mut Place, what: &'static str, why: String) -> Result<(), End> {
        meters::failed(what);
        let mut pause = FIRST_PAUSE;
        self.patience.wait("store", why, &mut pause, || place.stream.is_revoked()).await?;
        self.reload(place).await
    }

    /// Goes on where the chain ends now.
    async fn reload(&self, place: &mut Place) -> Result<(), End> {
        place.archiver = self.load(|| place.stream.is_revoked()).await?;
        place.stream.rewind(place.archiver.first_offset());
        self.has_reached(place.archiver.archived_to());
        Ok(())
    }

    async fn load(&self, is_revoked: impl Fn() -> bool) -> Result<PartitionArchiver, End> {
        let Shared { archive, identity, log, .. } = &*self.shared;
        let load = async || {
            let failure = |error: event_log::archive::ArchiveError| match error.is_retryable() {
                true => StoreFailure::Unavailable(told(&error)),
                false => StoreFailure::Halt(told(&error)),
            };
            let archiver = PartitionArchiver::resume(archive, identity, self.partition).await.map_err(failure)?;
            let held = log.bounds(self.partition).await;
            let held = held.map_err(|error| StoreFailure::Unavailable(error.to_string()))?;
            let (place, archived) = (archive.place(), archiver.archived_to());
            if held.end < archived {
                return Err(StoreFailure::Halt(format!(
                    "the log ends at offset {}, and the archive at {place} has it up to {archived}: the log was cut back; restore it from \
                     the archive, or name another place for the archive of what is left",
                    held.end
                )));
            }
            if held.start > archived {
                return Err(StoreFailure::Halt(format!(
                    "the log begins at offset {}, and the archive at {place} ends at {archived}: what stood between was deleted before it was \
                     archived, or is missing from the archive; put its files and manifests back",
                    held.start
                )));
            }
            Ok(archiver)
        };
        self.patience.asked(load, is_revoked).await
    }

    fn has_reached(&self, offset: u64) {
        meters::reached(self.partition, offset);
        self.shared.status.written(self.partition, offset);
    }
}
