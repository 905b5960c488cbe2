//! What the tests of the archive share: an archive for each, of a log of its own.

use std::path::{Path, PathBuf};

use event_log::archive::{Archive, ArchiveIdentity, Closed, PartitionArchiver};
use event_log::kafka::{KafkaConfig, KafkaLog, RecordStream, identify};
use event_log::record::LogRecord;
use groot_tests::program::Program;
use groot_tests::s3::S3;
use groot_tests::system::System;
use groot_tests::tool::Said;
use groot_tests::waiting::until;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use serde_json::Value;
use tempfile::TempDir;

use crate::kafka_log::soon;

/// An archive in a directory of its own.
pub struct Place {
    pub directory: TempDir,
    pub archive: Archive,
    pub identity: ArchiveIdentity,
}

impl Place {
    pub async fn of(config: &KafkaConfig) -> Self {
        let directory = TempDir::new().unwrap();
        let archive = Archive::at(directory.path().to_str().unwrap()).unwrap();
        let identity = identify(config).await.unwrap();
        let identity = ArchiveIdentity::new(identity.log_id, &config.events_topic, identity.partitions);
        archive.belong_to(&identity).await.unwrap();
        Self { directory, archive, identity }
    }

    /// The same log for readers that have the archive.
    pub fn beside(&self, config: &KafkaConfig) -> KafkaConfig {
        KafkaConfig { archive: Some(self.directory.path().display().to_string()), ..config.clone() }
    }

    /// The same for readers that begin with what it has.
    pub fn before(&self, config: &KafkaConfig) -> KafkaConfig {
        KafkaConfig { archive_first: true, ..self.beside(config) }
    }

    /// Archives what a partition has, in ranges of a few records.
    pub async fn take(&self, log: &KafkaLog, partition: u32, in_a_range: u64) {
        let end = log.end_offsets().await.unwrap()[partition as usize];
        let mut archiver = PartitionArchiver::resume(&self.archive, &self.identity, partition).await.unwrap();
        let mut stream = RecordStream::open(log, partition, archiver.first_offset());
        while archiver.archived_to() < end {
            for record in soon("records", stream.next()).await.unwrap().unwrap().records {
                archiver.take(record).unwrap();
                let next = archiver.open().map_or(archiver.archived_to(), |range| range.next_offset());
                if next - archiver.archived_to() >= in_a_range || next == end {
                    let Some(mut range) = archiver.close(Vec::new()).unwrap() else { continue };
                    match self.archive.append(&mut range).await.unwrap() {
                        Closed::Appended(link) => archiver.stored(*link),
                        Closed::Lost => panic!("somebody else archives as well"),
                    }
                }
            }
        }
    }

    pub fn files(&self, partition: u32) -> Vec<PathBuf> {
        files(&self.directory.path().join(format!("records/{partition:05}")))
    }
}

/// Where a system has its archive: two places of which everything must be true alike.
pub struct Storage {
    env: Vec<(String, String)>,
    folder: PathBuf,
    _directory: TempDir,
    _s3: Option<S3>,
}

impl Storage {
    pub fn in_a_directory() -> Self {
        let directory = TempDir::new().unwrap();
        let env = vec![("GROOT_ARCHIVE".to_owned(), directory.path().display().to_string())];
        Self { env, folder: directory.path().to_owned(), _directory: directory, _s3: None }
    }

    pub async fn in_s3() -> Self {
        let directory = TempDir::new().unwrap();
        let s3 = S3::serve(directory.path()).await;
        let mut env = s3.env();
        env.push(("GROOT_ARCHIVE".to_owned(), "s3://groot/tests/archive".to_owned()));
        Self { env, folder: directory.path().join("groot/tests/archive"), _directory: directory, _s3: Some(s3) }
    }

    /// Where its files are in the end, for who damages them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How programs are told.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// What is in a directory, in the order of names.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort_unstable();
    found
}

pub fn flip_a_byte(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

/// Every record that a partition holds or held, as it stands.
pub async fn records(log: &KafkaLog, partition: u32) -> Vec<LogRecord> {
    let end = log.end_offsets().await.unwrap()[partition as usize];
    let mut stream = RecordStream::open(log, partition, 0);
    soon("all records", stream.through(end)).await.unwrap().unwrap().records
}

pub async fn delete_topics(config: &KafkaConfig, topics: &[&str]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    for deleted in admin.delete_topics(topics, &AdminOptions::new()).await.unwrap() {
        deleted.unwrap();
    }
    let is_gone = async || {
        let client = admin.inner();
        let metadata = client.fetch_metadata(None, std::time::Duration::from_secs(10)).unwrap();
        let there = metadata.topics().iter().any(|topic| topics.contains(&topic.name()));
        (!there).then_some(())
    };
    until("the topics to be gone", is_gone).await;
}

/// What makes ranges small and quick to close.
pub const QUICK: [(&str, &str); 2] = [("GROOT_ARCHIVE_RANGE_AGE", "200ms"), ("GROOT_ARCHIVE_RANGE_BYTES", "20000")];

/// Starts an archiver of a system, with some settings of its own, and waits until it is ready.
pub async fn archiver(system: &System, name: &str, settings: &[(&str, &str)]) -> Program {
    let settings = [QUICK.as_slice(), settings].concat();
    let program = system.program(name, "projectors", &["archive"], &settings);
    program.is_ready().await;
    program
}

/// Runs the tool with the archive named.
pub async fn tool(system: &System, arguments: &[&str], settings: &[(&str, &str)]) -> Said {
    let env = system.env().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let settings: Vec<_> = env.chain(settings.iter().copied()).collect();
    groot_tests::tool::replay_tool(system.stack, arguments, &settings).await
}

/// Waits until all that the log has now is archived, and gives what is listed.
pub async fn until_all_is_archived(system: &System, settings: &[(&str, &str)]) -> Value {
    let ends = system.ends().await;
    until("the archive to come to the end of the log", async || archived(system, &ends, settings).await).await
}

/// What is listed of an archive that has all before these ends.
pub async fn archived(system: &System, ends: &[u64], settings: &[(&str, &str)]) -> Option<Value> {
    let said = tool(system, &["archive", "list", "--json"], settings).await;
    if said.code == 4 {
        return None;
    }
    let listed = said.expect(0).json();
    let of = |partition: &Value| partition["archivedTo"].as_u64().unwrap();
    let archived: Vec<_> = listed["partitions"].as_array().unwrap().iter().map(of).collect();
    archived.iter().zip(ends).all(|(archived, end)| archived >= end).then_some(listed)
}
