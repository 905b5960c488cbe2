//! Bringing a log back from its archive, offset for offset.
//!
//! Whatever stands outside the log speaks of offsets, of marks and of the log's id: position tokens, checkpoints, snapshots. All of them
//! stay true, since records get the offsets, the times and the bytes that they had. While it goes on the topic takes the times
//! of whoever writes, which [`super::identify`] and [`super::provision`] refuse: so nobody uses a log that is half there.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use futures::future::try_join_all;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::config::KafkaConfig;
use super::convert;
use super::error::KafkaError;
use super::log_id;
use super::partition_log::KafkaLog;
use super::record_stream::RecordStream;
use super::settled::settled_end;
use super::topics::{self, Found};
use super::voice::ClientVoice;
use crate::archive::{Archive, ArchiveError, ArchiveIdentity, Link, Manifest, manifest_name};
use crate::record::LogRecord;

/// A log was not restored, or not to its end.
#[derive(Debug, Error)]
pub enum RestoreError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("{0}")]
    Refused(String),
    #[error(
        "partition {partition} is not what the archive says at offset {offset}: {what}; nothing is restored over it. Restore into a topic that \
         is empty, or that an interrupted restore has left"
    )]
    Differs { partition: u32, offset: u64, what: &'static str },
    #[error(
        "the record of partition {partition} that belongs at offset {expected} came to stand at {found}: somebody else writes to the topic, or \
         the cluster took a request that had been given up; stop all writers, delete the topic and restore again"
    )]
    Misplaced { partition: u32, expected: u64, found: i64 },
    #[error("the record at offset {offset} of partition {partition} could not be written; run the same again to go on")]
    NotWritten {
        partition: u32,
        offset: u64,
        #[source]
        source: Box<ClientError>,
    },
    #[error(
        "what came of the records of partition {partition} from offset {offset} on could not be found out; run the same again to go on"
    )]
    Unsettled {
        partition: u32,
        offset: u64,
        #[source]
        source: KafkaError,
    },
    #[error(
        "partition {partition} ends at {end}, and the cluster had acknowledged all before {acknowledged}: it lost records; see that no replica \
         without them may lead (unclean.leader.election.enable=false), and run the same again to go on"
    )]
    Lost { partition: u32, acknowledged: u64, end: u64 },
    #[error("the topic could not be read to its end; run the same again to go on")]
    Unreadable,
}

/// What there is to restore, and what is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub identity: ArchiveIdentity,
    /// Whether the log is usable: all that the archive has is there, and it takes the times of brokers.
    pub is_complete: bool,
    pub partitions: Vec<PartitionLook>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionLook {
    /// The archive has all records before this offset.
    pub archived_to: u64,
    /// When the last one was appended. What was written after that is lost, if the log is.
    pub last_timestamp: Option<i64>,
    /// The topic has all records before this offset.
    pub held_to: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Records that were written.
    pub records: u64,
}

/// Restores a log into the topics of a configuration.
#[derive(Debug)]
pub struct Restore {
    config: KafkaConfig,
    archive: Archive,
    found: Found,
    log_id: Option<u64>,
    /// What the log is to be called: as it was, but for a fork.
    wanted: u64,
    look: Look,
}

/// How much of a log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: the same log again.
    All,
    /// What had been appended before a time, in milliseconds since 1970, as a log of its own: it goes on otherwise than the one that it comes
    /// from, so what is told of positions in the one must not be taken for the other.
    Fork { until: i64 },
}

/// What is on its way to the cluster.
const BYTES_ON_THEIR_WAY: usize = 16 * 1024 * 1024;
const RECORDS_ON_THEIR_WAY: usize = 10_000;
/// How long the next record is waited for. It is far below the time after which the client would send again, see
/// [`KafkaConfig::restorer`].
const TRY: Duration = Duration::from_secs(15);
/// How long the connection before the first one is waited for.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a restore goes on without a record being taken.
const LIMIT: Duration = Duration::from_secs(300);

impl Restore {
    /// Looks what the archive has and the cluster holds, and changes nothing. The number of partitions is the archive's.
    ///
    /// # Errors
    /// When the topic is of another log, or has what the archive has not.
    pub async fn prepare(config: &KafkaConfig, archive: Archive, part: Wanted) -> Result<Self, RestoreError> {
        let empty = || ArchiveError::Empty { place: archive.place().to_owned() };
        let identity = archive.identity().await?.ok_or_else(empty)?;
        let config = KafkaConfig { partitions: identity.partitions, archive: None, lanes: 0, ..config.clone() };
        let found = topics::look(&config).await?;
        let log_id = if found.log { log_id::read(&config).await? } else { None };
        let is_wanted = |log_id: &u64| (*log_id == identity.log_id) == (part == Wanted::All);
        if let Some(log_id) = log_id.filter(|log_id| !is_wanted(log_id)) {
            return Err(RestoreError::Refused(format!(
                "topic {} says that this is log {log_id:016x}, and the archive is of log {}: name other topics, or delete these",
                config.log_topic,
                identity.log_id_text()
            )));
        }
        let mut partitions = Vec::new();
        for partition in 0..identity.partitions {
            let (archived_to, last_timestamp) = match part {
                Wanted::All => {
                    let tip = archive.tip(partition).await?.map(|tip| tip.manifest);
                    (tip.as_ref().map_or(0, Manifest::end), tip.map(|tip| tip.last_timestamp))
                }
                Wanted::Fork { until } => {
                    let moment = archive.moment(partition, until).await?;
                    (moment.offset, moment.before)
                }
            };
            partitions.push(PartitionLook { archived_to, last_timestamp, held_to: 0 });
        }
        if found.events {
            let log = KafkaLog::connect(&config)?;
            for (partition, look) in (0..).zip(&mut partitions) {
                look.held_to = must_be_a_beginning(&config, partition, log.bounds(partition).await?, look.archived_to)?;
            }
            log.close().await;
        }
        let holds_all = partitions.iter().all(|look| look.held_to == look.archived_to);
        let is_complete = found.events && !found.takes_times && log_id.is_some() && holds_all;
        let wanted = match part {
            Wanted::All => identity.log_id,
            Wanted::Fork { .. } => log_id.unwrap_or_else(rand::random),
        };
        let look = Look { identity, is_complete, partitions };
        Ok(Self { config, archive, found, log_id, wanted, look })
    }

    pub fn look(&self) -> &Look {
        &self.look
    }

    /// Compares what the topic holds already with the archive, and changes nothing. `each` is told of every record.
    ///
    /// # Errors
    /// When anything of it differs.
    pub async fn compare_held(&self, mut each: impl FnMut()) -> Result<(), RestoreError> {
        let held = |look: &PartitionLook| (0, look.held_to);
        self.compare(held, &mut each).await
    }

    /// Writes what is missing, compares it, and opens the log to everybody. `each` is told of every record that is written or compared.
    ///
    /// Call [`Restore::compare_held`] before.
    ///
    /// # Errors
    /// When it cannot be done, or somebody else writes to the topic. It can be begun anew, and goes on behind what is there.
    pub async fn run(self, mut each: impl FnMut()) -> Result<Restored, RestoreError> {
        if self.look.is_complete {
            return Ok(Restored { records: 0 });
        }
        topics::open_for_restore(&self.config, self.found).await?;
        if self.log_id.is_none() {
            let given = log_id::read_or_restore(&self.config, self.wanted).await?;
            if given != self.wanted {
                let text = format!("somebody else has made this log {given:016x} meanwhile; stop all writers");
                return Err(RestoreError::Refused(text));
            }
        }
        let log = KafkaLog::connect(&self.config)?;
        let mut ends: Vec<u64> = self.look.partitions.iter().map(|look| look.held_to).collect();
        if self.found.events {
            // Of an interrupted restore something may still be on its way.
            let settled = (0..).zip(&ends).map(|(partition, end)| self.settled(&log, partition, *end));
            ends = try_join_all(settled).await?;
        }
        for (partition, (look, end)) in (0..).zip(self.look.partitions.iter().zip(&ends)) {
            must_be_a_beginning(&self.config, partition, 0..*end, look.archived_to)?;
            self.compare_partition(&log, partition, look.held_to, *end, &mut || {}).await?;
        }
        let mut records = 0;
        for (partition, (look, end)) in (0..).zip(self.look.partitions.iter().zip(ends)) {
            records += look.archived_to - end;
            (look.held_to..end).for_each(|_| each());
            self.write(&log, partition, end, look.archived_to, &mut each).await?;
        }
        self.compare(|look| (look.held_to, look.archived_to), &mut each).await?;
        for (partition, look) in (0..).zip(&self.look.partitions) {
            must_be_a_beginning(&self.config, partition, log.bounds(partition).await?, look.archived_to)?;
        }
        log.close().await;
        topics::close_restored(&self.config).await?;
        Ok(Restored { records })
    }

    /// Writes what a partition lacks. What fails is not sent again by the client, since brokers forget who wrote what as soon as they look
    /// for records older than `producer.id.expiration.ms`, as all of these may be: they would take it for something new, and nobody
    /// can take a record out of a log. It goes on behind what has come of it, when nothing is on its way any more.
    async fn write(
        &self,
        log: &KafkaLog,
        partition: u32,
        mut next: u64,
        to: u64,
        each: &mut impl FnMut(),
    ) -> Result<(), RestoreError> {
        let mut progress = Instant::now();
        while next < to {
            let from = next;
            match self.write_from(partition, &mut next, to, each).await {
                Err(RestoreError::NotWritten { source, .. })
                    if is_silence(&source) && (next > from || progress.elapsed() < LIMIT) =>
                {
                    tracing::warn!(
                        partition,
                        offset = next,
                        "the cluster takes no records; seeing what came of the last ones"
                    );
                }
                outcome => return outcome,
            }
            let end = self.settled(log, partition, next).await?;
            if end > to {
                return Err(RestoreError::Misplaced { partition, expected: next, found: end as i64 });
            }
            self.compare_partition(log, partition, next, end, &mut || {}).await?;
            (next..end).for_each(|_| each());
            if end > from {
                progress = Instant::now();
            }
            next = end;
        }
        Ok(())
    }

    /// Where a partition ends that has all before `next`.
    async fn settled(&self, log: &KafkaLog, partition: u32, next: u64) -> Result<u64, RestoreError> {
        let end = settled_end(log, partition, self.found.min_insync, LIMIT).await;
        let end = end.map_err(|source| RestoreError::Unsettled { partition, offset: next, source })?;
        if end < next { Err(RestoreError::Lost { partition, acknowledged: next, end }) } else { Ok(end) }
    }

    /// Moves `next` along with what is acknowledged.
    async fn write_from(
        &self,
        partition: u32,
        next: &mut u64,
        to: u64,
        each: &mut impl FnMut(),
    ) -> Result<(), RestoreError> {
        let client = self.config.restorer();
        let voice = ClientVoice::new("restore", &client);
        let producer: FutureProducer<ClientVoice> = client.create_with_context(voice).map_err(KafkaError::client)?;
        // So that no record waits for a connection.
        let (asked, topic) = (producer.clone(), self.config.events_topic.clone());
        let connected = spawn_blocking(move || asked.client().fetch_metadata(Some(&topic), CONNECT).map(drop)).await;
        let silence = |source| RestoreError::NotWritten { partition, offset: *next, source: Box::new(source) };
        connected.map_err(|_| silence(ClientError::Canceled))?.map_err(|_| silence(nothing_heard()))?;
        let mut way = OnTheirWay { partition, deliveries: VecDeque::new(), bytes: 0, since: Instant::now() };
        let mut walk = Walk::new(&self.archive, partition, *next, to);
        let mut settled = |offset: u64| {
            *next = offset + 1;
            each();
        };
        loop {
            // Nothing may stay unnoticed while the archive is waited for: what the client waits to send again must be given up in time.
            let mut chunk = pin!(walk.next());
            let records = loop {
                tokio::select! {
                    records = &mut chunk => break records?,
                    offset = way.settle(), if !way.deliveries.is_empty() => settled(offset?),
                }
            };
            let Some(records) = records else { break };
            for record in &records {
                while way.is_full() {
                    settled(way.settle().await?);
                }
                way.send(&producer, &self.config.events_topic, record)?;
            }
        }
        while !way.deliveries.is_empty() {
            settled(way.settle().await?);
        }
        Ok(())
    }

    /// Compares a piece of each partition with the archive.
    async fn compare(
        &self,
        piece: impl Fn(&PartitionLook) -> (u64, u64),
        each: &mut impl FnMut(),
    ) -> Result<(), RestoreError> {
        let log = KafkaLog::connect(&self.config)?;
        for (partition, look) in (0..).zip(&self.look.partitions) {
            let (from, to) = piece(look);
            if from < to {
                self.compare_partition(&log, partition, from, to, each).await?;
            }
        }
        log.close().await;
        Ok(())
    }

    async fn compare_partition(
        &self,
        log: &KafkaLog,
        partition: u32,
        from: u64,
        to: u64,
        each: &mut impl FnMut(),
    ) -> Result<(), RestoreError> {
        let mut walk = Walk::new(&self.archive, partition, from, to);
        let mut stream = RecordStream::open(log, partition, from);
        let mut there = VecDeque::new();
        while let Some(records) = walk.next().await? {
            for archived in &records {
                while there.is_empty() {
                    match stream.next().await {
                        Ok(Some(some)) => there.extend(some.records),
                        Ok(None) | Err(_) => return Err(RestoreError::Unreadable),
                    }
                }
                if let Some(found) = there.pop_front()
                    && let Some(what) = archived.difference(&found)
                {
                    return Err(RestoreError::Differs { partition, offset: archived.offset, what });
                }
                each();
            }
        }
        Ok(())
    }
}

/// The end of what a partition holds, if that may be the beginning of what is archived.
fn must_be_a_beginning(
    config: &KafkaConfig,
    partition: u32,
    held: std::ops::Range<u64>,
    archived_to: u64,
) -> Result<u64, RestoreError> {
    let refused = |what: String| {
        Err(RestoreError::Refused(format!(
            "partition {partition} of topic {} {what}: nothing is restored into it; name another topic, or delete this one",
            config.events_topic
        )))
    };
    if held.start > 0 {
        return refused(format!("begins at offset {}, and what stood before was deleted", held.start));
    }
    if held.end > archived_to {
        return refused(format!("ends at offset {}, and the archive at {archived_to}", held.end));
    }
    Ok(held.end)
}

fn nothing_heard() -> ClientError {
    ClientError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)
}

/// Whether nothing was heard of a record in time. All else is for good: the client waits with whatever may pass.
fn is_silence(error: &ClientError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut)
}

/// Records that were handed to the client and are not reported yet, in their order.
struct OnTheirWay {
    partition: u32,
    deliveries: VecDeque<(u64, usize, DeliveryFuture)>,
    bytes: usize,
    /// From when on the oldest one is waited for.
    since: Instant,
}

impl OnTheirWay {
    fn is_full(&self) -> bool {
        self.bytes > BYTES_ON_THEIR_WAY || self.deliveries.len() >= RECORDS_ON_THEIR_WAY
    }

    fn send(
        &mut self,
        producer: &FutureProducer<ClientVoice>,
        topic: &str,
        record: &LogRecord,
    ) -> Result<(), RestoreError> {
        let message = FutureRecord::<[u8], [u8]> {
            topic,
            partition: Some(self.partition as i32),
            payload: record.value.as_deref(),
            key: record.key.as_deref(),
            timestamp: Some(record.timestamp),
            headers: Some(convert::headers(&record.headers)),
        };
        let delivery = producer.send_result(message).map_err(|(source, _)| self.not_written(record.offset, source))?;
        if self.deliveries.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += record.size();
        self.deliveries.push_back((record.offset, record.size(), delivery));
        Ok(())
    }

    /// Waits for the oldest one, of which there is one, and gives its offset. Can be cancelled.
    async fn settle(&mut self) -> Result<u64, RestoreError> {
        let limit = self.since + TRY;
        let Some((offset, size, delivery)) = self.deliveries.front_mut() else { return std::future::pending().await };
        let (offset, size) = (*offset, *size);
        let delivered = match timeout_at(limit, delivery).await {
            Ok(Ok(Ok(delivered))) => delivered,
            Ok(Ok(Err((source, _)))) => return Err(self.not_written(offset, source)),
            Ok(Err(_)) => return Err(self.not_written(offset, ClientError::Canceled)),
            Err(_) => {
                return Err(self.not_written(offset, nothing_heard()));
            }
        };
        self.deliveries.pop_front();
        self.bytes -= size;
        self.since = Instant::now();
        if delivered.offset != offset as i64 {
            let partition = self.partition;
            return Err(RestoreError::Misplaced { partition, expected: offset, found: delivered.offset });
        }
        Ok(offset)
    }

    fn not_written(&self, offset: u64, source: ClientError) -> RestoreError {
        RestoreError::NotWritten { partition: self.partition, offset, source: Box::new(source) }
    }
}

/// The archived records of a partition from one offset to another, range after range.
struct Walk<'a> {
    archive: &'a Archive,
    partition: u32,
    next: u64,
    end: u64,
    chunks: Option<crate::archive::Chunks>,
    last: Option<Link>,
}

impl<'a> Walk<'a> {
    fn new(archive: &'a Archive, partition: u32, next: u64, end: u64) -> Self {
        Self { archive, partition, next, end, chunks: None, last: None }
    }

    async fn next(&mut self) -> Result<Option<Vec<LogRecord>>, RestoreError> {
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
