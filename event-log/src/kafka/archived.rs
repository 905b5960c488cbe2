//! The reading of records that the cluster holds no more, from the archive.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use tokio::sync::{OnceCell, mpsc};
use uuid::Uuid;

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::log_id;
use super::tail::{Client, Desk};
use crate::archive::{Archive, ArchiveError, ArchiveIdentity, Link, manifest_name};
use crate::reader::Halt;
use crate::record::LogRecord;

/// The archive of a log, as readers of that log use it.
pub(super) struct Archived {
    archive: Archive,
    config: KafkaConfig,
    client: Arc<Client>,
    topic: Arc<str>,
    /// Known once it has been seen that the archive is of this log.
    is_ours: OnceCell<()>,
}

/// The last record that the archive gave. If the log still holds it, both must have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seam {
    pub offset: u64,
    pub mark: Uuid,
}

/// What follows behind the records from the archive.
pub(super) enum Fed {
    /// The log has all from this offset on.
    Through {
        offset: u64,
        seam: Option<Seam>,
    },
    Halted(Halt),
}

/// Records from the archive that wait to be taken.
pub(super) struct Fetched {
    pieces: mpsc::Receiver<Vec<LogRecord>>,
    piece: std::vec::IntoIter<LogRecord>,
}

/// What [`Fetched`] gives.
pub(super) enum Next {
    Record(LogRecord),
    Nothing,
    /// Nothing more will come.
    Ended,
}

/// Pieces that wait to be taken, beside those that are being decoded.
const PIECES: usize = 1;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const QUERY_LIMIT: Duration = Duration::from_secs(10);

impl Fetched {
    pub fn new() -> (mpsc::Sender<Vec<LogRecord>>, Self) {
        let (sender, pieces) = mpsc::channel(PIECES);
        (sender, Self { pieces, piece: Vec::new().into_iter() })
    }

    pub fn next(&mut self) -> Next {
        loop {
            if let Some(record) = self.piece.next() {
                return Next::Record(record);
            }
            match self.pieces.try_recv() {
                Ok(piece) => self.piece = piece.into_iter(),
                Err(mpsc::error::TryRecvError::Empty) => return Next::Nothing,
                Err(mpsc::error::TryRecvError::Disconnected) => return Next::Ended,
            }
        }
    }
}

/// Why reading does not go on at once.
enum Trouble {
    /// It is tried again.
    Passing(String),
    Final(Halt),
}

/// Where the reading from the archive is.
struct Place {
    partition: u32,
    wanted: u64,
    /// The range that was given last.
    last: Option<Link>,
    /// The queue that was opened before was to be compared and was not: the log has been shortened meanwhile.
    had_seam: bool,
}

impl Archived {
    pub fn connect(config: &KafkaConfig, client: Arc<Client>, topic: Arc<str>) -> Result<Option<Self>, KafkaError> {
        let Some(place) = &config.archive else { return Ok(None) };
        let archive = Archive::at(place).map_err(|source| KafkaError::Archive { place: place.clone(), source })?;
        Ok(Some(Self { archive, config: config.clone(), client, topic, is_ours: OnceCell::new() }))
    }

    /// Gives the records of a partition from an offset on that the log does not hold, until it does. What is away is waited for.
    pub async fn feed(
        &self,
        partition: u32,
        wanted: u64,
        had_seam: bool,
        to: mpsc::Sender<Vec<LogRecord>>,
        desk: Arc<Desk>,
    ) -> Fed {
        tracing::info!(partition, offset = wanted, archive = self.archive.place(), "reading from the archive");
        let mut place = Place { partition, wanted, last: None, had_seam };
        let mut pause = FIRST_PAUSE;
        loop {
            match self.step(&mut place, &to, &desk).await {
                Ok(Some(fed)) => return fed,
                Ok(None) => pause = FIRST_PAUSE,
                Err(Trouble::Final(halt)) => return Fed::Halted(halt),
                Err(Trouble::Passing(why)) => {
                    tracing::warn!(partition, offset = place.wanted, error = why, "waiting for the archive");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Gives one range, or finds that the log goes on.
    async fn step(
        &self,
        place: &mut Place,
        to: &mpsc::Sender<Vec<LogRecord>>,
        desk: &Desk,
    ) -> Result<Option<Fed>, Trouble> {
        let held = self.bounds(place.partition).await.map_err(Trouble::Passing)?;
        if let Some(fed) = place.follows(&held)? {
            return Ok(Some(fed));
        }
        self.must_be_ours(place).await?;
        let link = self.link(place, &held).await.map_err(|error| place.trouble(error))??;
        let mut chunks = self.archive.records(&link.manifest).await.map_err(|error| place.trouble(error))?;
        while let Some(chunk) = chunks.next().await {
            let mut records = chunk.map_err(|error| place.trouble(error))?;
            records.retain(|record| record.offset >= place.wanted);
            let Some(last) = records.last().map(|record| record.offset) else { continue };
            if to.send(records).await.is_err() {
                // Nobody reads any more; this is dropped soon.
                return std::future::pending().await;
            }
            desk.news.notify_one();
            place.wanted = last + 1;
        }
        place.last = Some(link);
        Ok(None)
    }

    /// The range that holds what is wanted.
    async fn link(&self, place: &Place, held: &Range<u64>) -> Result<Result<Link, Trouble>, ArchiveError> {
        let Place { partition, wanted, last, .. } = place;
        let found = match last {
            // The name of the next manifest is known, so that nothing has to be listed.
            Some(_) => self.archive.link(*partition, *wanted).await?,
            None => self.archive.link_before(*partition, *wanted).await?,
        };
        let Some(link) = found.filter(|link| link.manifest.last_offset >= *wanted) else {
            let missing = match self.archive.link_before(*partition, *wanted).await? {
                Some(before) => manifest_name(*partition, before.manifest.end()),
                None => manifest_name(*partition, 0),
            };
            return Ok(Err(place.halt(format!(
                "the log holds {} to {} and nothing before, and the archive at {} has no range with this offset: {missing} is missing; put \
                 it and its file back, from a former version or a replica of the storage",
                held.start,
                held.end,
                self.archive.place()
            ))));
        };
        if last.as_ref().is_some_and(|last| !link.follows(Some(last))) {
            let name = manifest_name(*partition, link.manifest.first_offset);
            return Ok(Err(place.halt(format!(
                "{name} of the archive at {} does not follow the manifest before it: one of the two was changed; put back what was \
                 written first, from a former version or a replica of the storage",
                self.archive.place()
            ))));
        }
        Ok(Ok(link))
    }

    async fn must_be_ours(&self, place: &Place) -> Result<(), Trouble> {
        let ask = async {
            let log_id = log_id::read(&self.config).await.map_err(|error| Trouble::Passing(error.to_string()))?;
            let log_id = log_id.ok_or_else(|| Trouble::Passing("the log has no identity".to_owned()))?;
            let identity = ArchiveIdentity::new(log_id, &self.topic, self.config.partitions);
            self.archive.must_be_of(&identity).await.map_err(|error| place.trouble(error))
        };
        self.is_ours.get_or_try_init(|| ask).await?;
        Ok(())
    }

    async fn bounds(&self, partition: u32) -> Result<Range<u64>, String> {
        let (client, topic) = (self.client.clone(), self.topic.clone());
        let asked = tokio::task::spawn_blocking(move || {
            client.client().fetch_watermarks(&topic, partition as i32, QUERY_LIMIT)
        });
        match asked.await {
            Ok(Ok((low, high))) => Ok(low.max(0) as u64..high.max(0) as u64),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("this process is shutting down".to_owned()),
        }
    }
}

impl Place {
    /// How the log goes on here, unless it holds only later records.
    fn follows(&self, held: &Range<u64>) -> Result<Option<Fed>, Trouble> {
        let Self { partition, wanted, last, had_seam } = self;
        if *wanted < held.start {
            return Ok(None);
        }
        let reason = match last {
            _ if *wanted > held.end => {
                let archived = if last.is_some() { ", though the archive has what comes before it" } else { "" };
                format!("the log ends at {}, before it{archived}", held.end)
            }
            // Whoever is told that it cannot be read, though the log has it, would be told so for ever.
            None if !had_seam => format!("the log holds {} to {}, and does not give it", held.start, held.end),
            last => {
                let seam = last.as_ref().map(|link| &link.manifest).filter(|last| last.last_offset >= held.start);
                let seam = seam.map(|last| Seam { offset: last.last_offset, mark: last.last_mark });
                return Ok(Some(Fed::Through { offset: *wanted, seam }));
            }
        };
        Err(Trouble::Final(Halt::OutOfRange { partition: *partition, offset: *wanted, reason }))
    }

    fn trouble(&self, error: ArchiveError) -> Trouble {
        if error.is_retryable() {
            let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
            return Trouble::Passing(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")));
        }
        self.halt(error.to_string())
    }

    fn halt(&self, reason: String) -> Trouble {
        Trouble::Final(Halt::Archive { partition: self.partition, offset: self.wanted, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(wanted: u64) -> Place {
        Place { partition: 0, wanted, last: None, had_seam: false }
    }

    #[test]
    fn what_the_log_ends_before_is_never_looked_for_in_the_archive() {
        assert!(matches!(place(9).follows(&(0..5)), Err(Trouble::Final(Halt::OutOfRange { .. }))));
        assert!(matches!(place(9).follows(&(7..8)), Err(Trouble::Final(Halt::OutOfRange { .. }))));
    }

    #[test]
    fn only_what_the_log_begins_behind_is() {
        assert!(matches!(place(4).follows(&(5..9)), Ok(None)));
        assert!(matches!(place(0).follows(&(5..5)), Ok(None)));
        assert!(matches!(place(5).follows(&(5..9)), Err(Trouble::Final(Halt::OutOfRange { .. }))));
        let again = Place { had_seam: true, ..place(5) };
        assert!(matches!(again.follows(&(5..9)), Ok(Some(Fed::Through { offset: 5, seam: None }))));
    }
}
