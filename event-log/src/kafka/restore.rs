//! Bringing a log back from its archive, offset for offset.
//!
//! Whatever stands outside the log speaks of offsets, of marks and of the log's id: position tokens, checkpoints, snapshots. All of them
//! stay true, since records get the offsets, the times and the bytes that they had. While it goes on the topic takes the times
//! of whoever writes, which [`super::identify`] and [`super::provision`] refuse: so nobody uses a log that is half there.

mod on_their_way;
mod walk;

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use futures::future::try_join_all;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{FutureProducer, Producer};
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use self::on_their_way::{OnTheirWay, is_silence, nothing_heard};
use self::walk::Walk;
use super::config::KafkaConfig;
use super::error::KafkaError;
use super::log_id;
use super::partition_log::KafkaLog;
use super::record_stream::RecordStream;
use super::settled::settled_end;
use super::topics::{self, Found};
use super::voice::ClientVoice;
use crate::archive::{Archive, ArchiveError, ArchiveIdentity, Manifest};

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
        let mut way = OnTheirWay::to(partition);
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
                    offset = way.settle(), if !way.is_empty() => settled(offset?),
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
        while !way.is_empty() {
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
