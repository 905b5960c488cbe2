//! The archive of the log: what it has, and whether that is whole.

use std::collections::VecDeque;
use std::ops::Range;
use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat};
use clap::{Args, Subcommand};
use event_log::archive::{Archive, ArchiveError, ArchiveIdentity, ChainCheck, Finding, Manifest, manifest_name};
use event_log::kafka::{KafkaConfig, KafkaLog, RecordStream, identify};
use event_log::record::LogRecord;
use indicatif::ProgressBar;
use projectors::config::LogArgs;
use serde::Serialize;
use service::config::{ConfigError, without_credentials};
use service::problem::chain;
use service::startup::{self, connect_with_retries};

use crate::config::LoggingArgs;
use crate::log::{Log, bar, init_logging};
use crate::table::table;
use crate::{EXIT_FOUND, EXIT_NOTHING, print, to_json};

#[derive(Clone, Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Lists the ranges of each partition, and up to which offset the log is archived. Exit code 4: there is no archive at this place.
    List(ListArgs),
    /// Reads all of it back: the chain of manifests of each partition from its beginning, every checksum, every record and its schema; and
    /// compares it with the log where that still holds the same offsets.
    ///
    /// Exit code 5: something is wrong; the file or manifest is named with partition and offset.
    Verify(VerifyArgs),
}

#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Print one JSON object with everything, rather than a table.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Check the archive alone, without Kafka.
    #[arg(long)]
    pub archive_only: bool,
    /// How many findings to show.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Print one JSON object rather than text.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

pub async fn run(command: ArchiveCommand) -> anyhow::Result<ExitCode> {
    match command {
        ArchiveCommand::List(args) => list(args).await,
        ArchiveCommand::Verify(args) => verify(args).await,
    }
}

/// The archive that the settings name, and which log it is of.
pub async fn open(log: &LogArgs) -> anyhow::Result<(Archive, Option<ArchiveIdentity>)> {
    let place = log.archive_place();
    let archive =
        Archive::at(place).map_err(|error| ConfigError(format!("GROOT_ARCHIVE is {place}: {}", chain(&error))))?;
    let address = without_credentials(place);
    let identity =
        connect_with_retries("the archive's object storage", &address, async || match archive.identity().await {
            Err(error) if error.is_retryable() => Err(error),
            settled => Ok(settled),
        });
    let identity = identity.await??;
    Ok((archive, identity))
}

pub fn no_archive(archive: &Archive) -> ExitCode {
    eprintln!("error: there is no archive at {}; name its place by --archive or GROOT_ARCHIVE", archive.place());
    ExitCode::from(EXIT_NOTHING)
}

/// What cannot do without an archive takes none that nobody has named.
pub fn must_be_named(log: &LogArgs, wants: &str) -> Result<(), ConfigError> {
    match log.archive {
        Some(_) => Ok(()),
        None => Err(ConfigError(format!(
            "{wants} needs the archive of this log: name its place by --archive or GROOT_ARCHIVE"
        ))),
    }
}

/// Up to where each partition of this log is archived. None, and a person was told, where nothing is.
pub async fn archived_ends(args: &LogArgs, log: &Log) -> anyhow::Result<Option<Vec<u64>>> {
    let (archive, identity) = open(args).await?;
    if identity.is_none() {
        no_archive(&archive);
        return Ok(None);
    }
    let wanted = ArchiveIdentity::new(log.identity.log_id, &args.events_topic, log.partitions());
    archive.must_be_of(&wanted).await.map_err(|error| match error {
        ArchiveError::AnotherLog { .. } => anyhow::Error::from(ConfigError(error.to_string())),
        error => error.into(),
    })?;
    let mut ends = Vec::new();
    for partition in 0..log.partitions() {
        ends.push(archive.tip(partition).await?.map_or(0, |tip| tip.manifest.end()));
    }
    if ends.iter().all(|end| *end == 0) {
        eprintln!(
            "error: the archive at {} has no record yet; wait until `projectors archive` has stored a range",
            archive.place()
        );
        return Ok(None);
    }
    Ok(Some(ends))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    place: &'a str,
    log_id: String,
    topic: &'a str,
    partitions: Vec<ListedPartition>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedPartition {
    partition: u32,
    /// The first offset that is not archived.
    archived_to: u64,
    ranges: Vec<ListedRange>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedRange {
    first_offset: u64,
    last_offset: u64,
    records: u64,
    bytes: u64,
    first_time: String,
    last_time: String,
    file: String,
}

impl From<Manifest> for ListedRange {
    fn from(manifest: Manifest) -> Self {
        Self {
            first_offset: manifest.first_offset,
            last_offset: manifest.last_offset,
            records: manifest.records,
            bytes: manifest.bytes,
            first_time: time(manifest.first_timestamp),
            last_time: time(manifest.last_timestamp),
            file: manifest.file,
        }
    }
}

/// As the API shows times.
pub fn time(milliseconds: i64) -> String {
    let time = DateTime::from_timestamp_millis(milliseconds);
    time.map_or_else(|| milliseconds.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let (archive, identity) = open(&args.log).await?;
    let Some(identity) = identity else { return Ok(no_archive(&archive)) };
    let mut partitions = Vec::new();
    for partition in 0..identity.partitions {
        let mut ranges = Vec::new();
        for first_offset in archive.first_offsets(partition).await? {
            let link = archive.link(partition, first_offset).await?;
            ranges.extend(link.map(|link| ListedRange::from(link.manifest)));
        }
        let archived_to = ranges.last().map_or(0, |range| range.last_offset + 1);
        partitions.push(ListedPartition { partition, archived_to, ranges });
    }
    let listed = Listed { place: archive.place(), log_id: identity.log_id_text(), topic: &identity.topic, partitions };
    print(&if args.json { to_json(&listed)? } else { render(&listed) })?;
    Ok(ExitCode::from(startup::EXIT_OK))
}

fn render(listed: &Listed<'_>) -> String {
    let Listed { place, log_id, topic, partitions } = listed;
    let mut text = format!("log {log_id}, topic {topic}, at {place}\n\n");
    let mut rows = Vec::new();
    for ListedPartition { partition, ranges, .. } in partitions {
        for range in ranges {
            rows.push([
                partition.to_string(),
                range.first_offset.to_string(),
                range.last_offset.to_string(),
                range.bytes.to_string(),
                range.first_time.clone(),
                range.last_time.clone(),
            ]);
        }
        if ranges.is_empty() {
            rows.push([partition.to_string(), "-".into(), "-".into(), "-".into(), "-".into(), "-".into()]);
        }
    }
    text.push_str(&table(["PARTITION", "FIRST", "LAST", "BYTES", "FROM", "TO"], &rows));
    let records: u64 = partitions.iter().map(|partition| partition.archived_to).sum();
    let ranges: usize = partitions.iter().map(|partition| partition.ranges.len()).sum();
    text.push_str(&format!("\n{records} records in {ranges} ranges\n"));
    text
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    ranges: u64,
    records: u64,
    /// Records that the log still holds, and has the same.
    compared: u64,
    found: u64,
    /// To as many as were asked for.
    findings: Vec<Told>,
    /// Files that no manifest speaks of.
    unclaimed: Vec<String>,
    #[serde(skip)]
    limit: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    name: String,
    partition: u32,
    offset: u64,
    what: String,
}

impl Report {
    fn found(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < self.limit {
            let Finding { name, partition, offset, what } = finding;
            self.findings.push(Told { name, partition, offset, what });
        }
    }
}

async fn verify(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let (archive, identity) = open(&args.log).await?;
    let Some(identity) = identity else { return Ok(no_archive(&archive)) };
    let log = if args.archive_only { None } else { Some(log_of(&args.log, &archive, &identity).await?) };
    let mut report = Report { limit: args.limit as usize, ..Report::default() };
    let mut total = 0;
    let mut chains = Vec::new();
    for partition in 0..identity.partitions {
        let first_offsets = archive.first_offsets(partition).await?;
        total += first_offsets.last().copied().unwrap_or(0);
        chains.push(first_offsets);
    }
    let progress = bar(total);
    let mut files = Vec::new();
    for (partition, first_offsets) in (0..).zip(&chains) {
        let check = PartitionCheck { archive: &archive, identity: &identity, partition, progress: &progress };
        check.run(log.as_ref(), first_offsets, &mut report, &mut files).await?;
    }
    progress.finish_and_clear();
    report.unclaimed = archive.unclaimed_files(&files).await?;
    if let Some(log) = log {
        log.close().await;
    }
    print(&if args.json { to_json(&report)? } else { told(&report) })?;
    Ok(ExitCode::from(if report.found == 0 { startup::EXIT_OK } else { EXIT_FOUND }))
}

/// The log that the archive is of, read without it.
async fn log_of(args: &LogArgs, archive: &Archive, identity: &ArchiveIdentity) -> anyhow::Result<KafkaLog> {
    let kafka = KafkaConfig { archive: None, ..args.kafka("groot-replay-tool") };
    let found = connect_with_retries("Kafka", &kafka.brokers, || identify(&kafka)).await?;
    let log = ArchiveIdentity::new(found.log_id, &kafka.events_topic, found.partitions);
    if !log.is_of_the_same_log(identity) {
        let another = archive.must_be_of(&log).await.err();
        return Err(ConfigError(another.map_or_else(String::new, |error: ArchiveError| error.to_string())).into());
    }
    Ok(KafkaLog::connect(&kafka)?)
}

struct PartitionCheck<'a> {
    archive: &'a Archive,
    identity: &'a ArchiveIdentity,
    partition: u32,
    progress: &'a ProgressBar,
}

impl PartitionCheck<'_> {
    async fn run(
        &self,
        log: Option<&KafkaLog>,
        first_offsets: &[u64],
        report: &mut Report,
        files: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let partition = self.partition;
        let mut beside = match log {
            Some(log) => Some(Beside::open(log, partition).await?),
            None => None,
        };
        let mut chain = ChainCheck::new(self.archive, self.identity, partition);
        let mut archived_to = 0;
        for first_offset in first_offsets {
            let link = match self.archive.link(partition, *first_offset).await {
                Ok(Some(link)) => link,
                Ok(None) => continue,
                Err(ArchiveError::Damaged { name, what, .. }) => {
                    report.found(Finding { name, partition, offset: *first_offset, what });
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            report.ranges += 1;
            files.push(link.manifest.file.clone());
            archived_to = link.manifest.end();
            let findings = chain.next(link, async |record| {
                report.records += 1;
                self.progress.inc(1);
                let found = match &mut beside {
                    Some(beside) => beside.compare(record).await,
                    None => Compared::NotHeld,
                };
                match found {
                    Compared::Same => report.compared += 1,
                    Compared::Differs(what) => {
                        return Some(format!("has what the log has otherwise: the log has {what}"));
                    }
                    Compared::NotHeld => {}
                }
                None
            });
            for finding in findings.await? {
                report.found(finding);
            }
        }
        if let Some(beside) = beside.filter(|beside| beside.held.end < archived_to) {
            let name = first_offsets.last().map(|last| manifest_name(partition, *last).to_string());
            let what = format!(
                "is archived up to offset {archived_to}, and the log ends at {}: it was cut back",
                beside.held.end
            );
            let offset = beside.held.end;
            report.found(Finding { name: name.unwrap_or_default(), partition, offset, what });
        }
        Ok(())
    }
}

/// The log beside the archive, record by record.
struct Beside<'a> {
    log: &'a KafkaLog,
    partition: u32,
    held: Range<u64>,
    stream: RecordStream,
    there: VecDeque<LogRecord>,
}

enum Compared {
    Same,
    Differs(&'static str),
    NotHeld,
}

impl<'a> Beside<'a> {
    async fn open(log: &'a KafkaLog, partition: u32) -> anyhow::Result<Self> {
        let held = log.bounds(partition).await?;
        let stream = RecordStream::open(log, partition, held.start);
        Ok(Self { log, partition, held, stream, there: VecDeque::new() })
    }

    async fn compare(&mut self, archived: &LogRecord) -> Compared {
        while self.held.contains(&archived.offset) {
            match self.there.pop_front() {
                Some(found) if found.offset < archived.offset => {}
                Some(found) => return archived.difference(&found).map_or(Compared::Same, Compared::Differs),
                None => match self.stream.next().await {
                    Ok(Some(records)) => self.there.extend(records.records),
                    Ok(None) => return Compared::NotHeld,
                    // Records may be deleted from the log meanwhile.
                    Err(_) => match self.log.bounds(self.partition).await {
                        Ok(held) if held.start > archived.offset => {
                            self.stream.rewind(held.start);
                            self.held = held;
                        }
                        _ => return Compared::NotHeld,
                    },
                },
            }
        }
        Compared::NotHeld
    }
}

fn told(report: &Report) -> String {
    let Report { ranges, records, compared, found, findings, unclaimed, .. } = report;
    let mut text = String::new();
    for Told { name, partition, offset, what } in findings {
        text.push_str(&format!("partition {partition}, offset {offset}: {name} {what}\n"));
    }
    if *found > findings.len() as u64 {
        text.push_str(&format!("{} more; raise --limit to see them\n", found - findings.len() as u64));
    }
    if !unclaimed.is_empty() {
        text.push_str(&format!(
            "{} files belong to no manifest, such as {}: those that are older than a day can be deleted\n",
            unclaimed.len(),
            unclaimed[0]
        ));
    }
    text.push_str(&format!("{records} records in {ranges} ranges, {compared} of them compared with the log: "));
    text.push_str(&match found {
        0 => "all whole\n".to_owned(),
        1 => "1 thing is wrong\n".to_owned(),
        found => format!("{found} things are wrong\n"),
    });
    text
}
