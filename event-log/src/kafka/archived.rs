//! The reading of records that the cluster holds no more, or is to be spared, from the archive.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use tokio::sync::{OnceCell, mpsc};
use uuid::Uuid;

use super::config::KafkaConfig;
use super::consumers::Client;
use super::error::KafkaError;
use super::log_id;
use super::tail::Desk;
use crate::archive::{Archive, ArchiveError, ArchiveIdentity, Link, Moment, manifest_name};
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

/// What is known of the log before the archive is looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    /// How often in a row the client could not read it from an offset on. Where its own thread comes late to the first refusal it has sent more
    /// requests for the same offset; what comes of those it tells of the offset that it is asked for by then.
    pub refusals: u32,
    /// What the log was still to show, or has shown.
    pub seam: Option<Seam>,
    /// It has given records before it refused the next one, as one does that was cut back: nothing is forgiven.
    pub has_given: bool,
}

/// A log that holds an offset and refuses it so often will not give it.
const MOST_REFUSALS: u32 = 10;
/// How long it is left alone after the second refusal in a row, after the third twice as long, and so on.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

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
    before: Before,
    /// The log is read from here on at the earliest, whatever it holds before. None until it is known.
    from: Option<u64>,
}

impl Archived {
    pub fn connect(config: &KafkaConfig, client: Arc<Client>, topic: Arc<str>) -> Result<Option<Self>, KafkaError> {
        let Some(place) = &config.archive else { return Ok(None) };
        let archive = Archive::at(place).map_err(|source| KafkaError::Archive { place: place.clone(), source })?;
        Ok(Some(Self { archive, config: config.clone(), client, topic, is_ours: OnceCell::new() }))
    }

    /// Whether readers begin here, and not with what the cluster holds.
    pub fn is_first(&self) -> bool {
        self.config.archive_first
    }

    /// Gives the records of a partition from an offset on that the log does not hold, or that are archived where the archive is read first,
    /// until the log goes on. What is away is waited for.
    pub async fn feed(
        &self,
        partition: u32,
        wanted: u64,
        before: Before,
        to: mpsc::Sender<Vec<LogRecord>>,
        desk: Arc<Desk>,
    ) -> Fed {
        tracing::info!(partition, offset = wanted, archive = self.archive.place(), "reading from the archive");
        tokio::time::sleep(REFUSED_PAUSE * before.refusals.saturating_sub(1)).await;
        let from = (!self.is_first()).then_some(0);
        let mut place = Place { partition, wanted, last: None, before, from };
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

    /// Where in a partition what was appended at a time or later begins, as [`Archive::moment`] tells it.
    pub async fn moment(&self, partition: u32, time: i64) -> Result<Moment, KafkaError> {
        self.must_be_ours().await?;
        Ok(self.archive.moment(partition, time).await?)
    }

    /// Gives one range, or finds that the log goes on.
    async fn step(
        &self,
        place: &mut Place,
        to: &mpsc::Sender<Vec<LogRecord>>,
        desk: &Desk,
    ) -> Result<Option<Fed>, Trouble> {
        if place.from.is_none() {
            self.must_be_ours().await.map_err(|error| place.not_ours(error))?;
            // What is archived meanwhile is left to the log: nobody runs after an archiver. It is asked for before the end of the log is.
            let tip = self.archive.tip(place.partition).await.map_err(|error| place.trouble(error))?;
            place.from = Some(tip.map_or(0, |tip| tip.manifest.end()));
        }
        let held = self.bounds(place.partition).await.map_err(Trouble::Passing)?;
        if let Some(fed) = place.follows(&held)? {
            return Ok(Some(fed));
        }
        self.must_be_ours().await.map_err(|error| place.not_ours(error))?;
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
            let (held, at) = (format!("the log holds {} to {}", held.start, held.end), self.archive.place());
            return Ok(Err(place.halt(format!(
                "{held}, and the archive at {at} has no range with this offset: {missing} is missing; put it and its file back, from a former \
                 version or a replica of the storage",
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

    async fn must_be_ours(&self) -> Result<(), KafkaError> {
        let KafkaConfig { log_topic, brokers, partitions, .. } = &self.config;
        let ask = async {
            let no_identity = || KafkaError::TopicMissing { topic: log_topic.clone(), brokers: brokers.clone() };
            let log_id = log_id::read(&self.config).await?.ok_or_else(no_identity)?;
            let identity = ArchiveIdentity::new(log_id, &self.topic, *partitions);
            Ok::<_, KafkaError>(self.archive.must_be_of(&identity).await?)
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
    /// How the log goes on here, unless it holds only later records or is not to be read yet.
    fn follows(&self, held: &Range<u64>) -> Result<Option<Fed>, Trouble> {
        let Self { partition, wanted, last, before, from } = self;
        let from = from.unwrap_or_default();
        if *wanted < held.start.max(from) && from <= held.end {
            return Ok(None);
        }
        let reason = match last {
            _ if from > held.end => {
                format!("the log ends at {}, and the archive has what comes before {from}", held.end)
            }
            _ if *wanted > held.end => {
                let archived = if last.is_some() { ", though the archive has what comes before it" } else { "" };
                format!("the log ends at {}, before it{archived}", held.end)
            }
            // Whoever is told that it cannot be read, though the log has it, would be told so for ever.
            None if before.has_given || before.refusals > MOST_REFUSALS => {
                format!("the log holds {} to {}, and does not give it", held.start, held.end)
            }
            last => {
                let last = last.as_ref().map(|link| &link.manifest);
                let last = last.map(|last| Seam { offset: last.last_offset, mark: last.last_mark });
                let seam = last.or_else(|| before.seam.clone());
                // What the log has lost meanwhile cannot be compared.
                let seam = seam.filter(|seam| seam.offset >= held.start);
                return Ok(Some(Fed::Through { offset: *wanted, seam }));
            }
        };
        Err(Trouble::Final(Halt::OutOfRange { partition: *partition, offset: *wanted, reason }))
    }

    fn not_ours(&self, error: KafkaError) -> Trouble {
        match error {
            KafkaError::Archived(error) => self.trouble(error),
            error => Trouble::Passing(error.to_string()),
        }
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
        Place { partition: 0, wanted, last: None, before: Before::default(), from: Some(0) }
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
        for refusals in [0, 1, MOST_REFUSALS, MOST_REFUSALS + 1] {
            let again = Place { before: Before { refusals, ..Before::default() }, ..place(5) };
            match again.follows(&(5..9)) {
                Ok(Some(Fed::Through { offset: 5, seam: None })) => assert!(refusals <= MOST_REFUSALS),
                Err(Trouble::Final(Halt::OutOfRange { .. })) => assert!(refusals > MOST_REFUSALS),
                _ => panic!("after {refusals} refusals"),
            }
        }
        let cut_back = Place { before: Before { has_given: true, refusals: 1, seam: None }, ..place(5) };
        assert!(matches!(cut_back.follows(&(5..9)), Err(Trouble::Final(Halt::OutOfRange { .. }))));
    }

    #[test]
    fn what_was_read_before_is_compared_where_the_log_still_holds_it() {
        let seam = Seam { offset: 4, mark: Uuid::from_u128(4) };
        let read = || Place { before: Before { seam: Some(seam.clone()), ..Before::default() }, ..place(7) };
        for start in [0, 4] {
            let follows = read().follows(&(start..9));
            assert!(matches!(follows, Ok(Some(Fed::Through { offset: 7, seam: Some(found) })) if found == seam));
        }
        assert!(matches!(read().follows(&(5..9)), Ok(Some(Fed::Through { offset: 7, seam: None }))));
        assert!(matches!(read().follows(&(8..9)), Ok(None)));
        assert!(matches!(read().follows(&(0..6)), Err(Trouble::Final(Halt::OutOfRange { .. }))));
    }

    #[test]
    fn where_the_archive_is_first_the_log_goes_on_behind_it_and_must_reach_as_far() {
        let first = |wanted| Place { from: Some(6), ..place(wanted) };
        assert!(matches!(first(0).follows(&(0..9)), Ok(None)));
        assert!(matches!(first(5).follows(&(0..6)), Ok(None)));
        for wanted in [6, 8] {
            assert!(
                matches!(first(wanted).follows(&(0..9)), Ok(Some(Fed::Through { offset, .. })) if offset == wanted)
            );
        }
        for wanted in [0, 5, 6] {
            assert!(matches!(first(wanted).follows(&(0..5)), Err(Trouble::Final(Halt::OutOfRange { .. }))));
        }
    }
}
