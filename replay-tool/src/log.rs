//! The log, as the tool reads it.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use event_log::kafka::{KafkaConfig, KafkaError, KafkaLog, LogIdentity, ReadError, identify, walk_partition};
use event_log::position::Position;
use event_log::reader::Commit;
use event_schema::codec::Codec;
use indicatif::{ProgressBar, ProgressStyle};
use projectors::config::LogArgs;
use projectors::start::schemas;
use service::config::ConfigError;
use service::problem::chain;
use service::startup::connect_with_retries;
use service::telemetry::{self, LogFormat, TelemetryArgs};

use crate::config::LoggingArgs;

/// The log, and what its values are decoded with.
pub struct Log {
    pub identity: LogIdentity,
    pub codec: Arc<Codec>,
    kafka: KafkaLog,
}

pub fn init_logging(args: &LoggingArgs) -> anyhow::Result<()> {
    Ok(telemetry::init_logging(&TelemetryArgs { log: args.log_filter.clone(), log_format: LogFormat::Text })?)
}

impl Log {
    pub async fn open(args: &LogArgs) -> anyhow::Result<Self> {
        Self::connect(args, args.kafka("groot-replay-tool")).await
    }

    /// The same, but all that is archived is read from the archive, also what the cluster still holds.
    pub async fn open_archive_first(args: &LogArgs) -> anyhow::Result<Self> {
        Self::connect(args, KafkaConfig { archive_first: true, ..args.kafka("groot-replay-tool") }).await
    }

    async fn connect(args: &LogArgs, kafka: KafkaConfig) -> anyhow::Result<Self> {
        let (identity, codec) = tokio::try_join!(
            connect_with_retries("Kafka", &kafka.brokers, || identify(&kafka)),
            schemas(&args.schema_registry_url, &kafka.events_topic),
        )?;
        let kafka = KafkaLog::connect(&kafka).map_err(|error| match error {
            KafkaError::Archive { .. } => anyhow::Error::from(ConfigError(chain(&error))),
            error => error.into(),
        })?;
        Ok(Self { identity, codec: Arc::new(codec), kafka })
    }

    pub fn partitions(&self) -> u32 {
        self.kafka.partitions()
    }

    pub async fn ends(&self) -> anyhow::Result<Vec<u64>> {
        Ok(self.kafka.end_offsets().await?)
    }

    /// Where in each partition what was appended at a time or later begins.
    pub async fn offsets_at(&self, time: DateTime<Utc>) -> anyhow::Result<Vec<u64>> {
        Ok(self.kafka.offsets_at(time.timestamp_millis()).await?)
    }

    /// The log's own client.
    pub fn kafka(&self) -> &KafkaLog {
        &self.kafka
    }

    /// Gives every commit that counts of these partitions, from the beginning of each to the end that it has now, and shows a
    /// person how far that is.
    pub async fn scan(
        &self,
        partitions: Range<u32>,
        mut each: impl AsyncFnMut(u32, Commit) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let ends = self.ends().await?;
        let end_of = |partition: u32| ends.get(partition as usize).copied().unwrap_or(0);
        let progress = bar(partitions.clone().map(end_of).sum());
        for partition in partitions {
            self.walk(partition, end_of(partition), &progress, async |commit| each(partition, commit).await).await?;
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// Gives every commit of a partition that counts and ends before `end`, and answers where the last of them ends.
    pub async fn walk(
        &self,
        partition: u32,
        end: u64,
        progress: &ProgressBar,
        each: impl AsyncFnMut(Commit) -> anyhow::Result<()>,
    ) -> anyhow::Result<u64> {
        Ok(self.walk_from(partition, Position::START, end, progress, each).await?.next_offset)
    }

    /// The same from a position on, and answers where a reader goes on.
    pub async fn walk_from(
        &self,
        partition: u32,
        from: Position,
        end: u64,
        progress: &ProgressBar,
        mut each: impl AsyncFnMut(Commit) -> anyhow::Result<()>,
    ) -> anyhow::Result<Position> {
        let walked = walk_partition(&self.kafka, partition, from, end, async |delivery| {
            progress.inc(delivery.records);
            for commit in delivery.commits {
                each(commit).await.map_err(Stopped::Here)?;
            }
            Ok::<_, Stopped>(())
        });
        match walked.await {
            Ok(position) => Ok(position),
            Err(Stopped::Log(error)) => Err(error.into()),
            Err(Stopped::Here(error)) => Err(error),
        }
    }

    pub async fn close(self) {
        self.kafka.close().await;
    }
}

enum Stopped {
    Log(ReadError),
    Here(anyhow::Error),
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Log(error)
    }
}

/// Hidden where nobody looks, that is where standard error is no terminal.
pub fn bar(records: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} records, {per_sec}, {eta} left");
    ProgressBar::new(records).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
