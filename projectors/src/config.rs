//! What the projectors take from flags and environment variables.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use event_log::kafka::KafkaConfig;
use read_model::analytics::ClickhouseAddress;
use service::config;
use service::telemetry::TelemetryArgs;

use crate::archive::args::ArchiveArgs;

/// Projects the log of events into the stores that queries read.
///
/// Each projection is a command of its own. Start as many instances of one as you like, at most one for each partition is
/// of use: they share the partitions among themselves, and take over those of an instance that ends.
///
/// Every flag can be set by the environment variable named with it.
#[derive(Clone, Debug, Parser)]
#[command(name = "projectors", version)]
pub struct Cli {
    #[command(subcommand)]
    pub projection: ProjectionCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ProjectionCommand {
    /// Posts, people, slugs and the history of posts, into MongoDB.
    ///
    /// Documents and position are written in one transaction, so that it can be killed at any time and goes on where it
    /// was. SIGTERM lets running batches finish and ends it with exit code 0. A server that does not answer at the start is
    /// tried five times in at most a minute, then it ends with exit code 3; a bad setting ends it with 2. Later outages are
    /// waited for: see /ready and /metrics on the admin address.
    Documents(DocumentsArgs),
    /// Posts, to be found by their words, into Elasticsearch.
    ///
    /// Documents are written before the position that covers them, and each says which events it has, so that it can be killed at
    /// any time as well. It starts, waits and ends as `documents` does.
    Search(SearchArgs),
    /// All events, and activity such as views, to be counted, into ClickHouse.
    ///
    /// The bounds of a batch are recorded before its rows are inserted, and a batch that was cut off is redone with the same bounds and
    /// tokens, so that it can be killed at any time as well. It starts, waits and ends as `documents` does.
    Analytics(AnalyticsArgs),
    /// All of them in one process, each with a group and positions of its own; but not `archive`.
    All(AllArgs),
    /// The log itself, into object storage: every record as it stands, in closed ranges of offsets with checksums.
    ///
    /// Its position is the end of the archive, so that it can be killed at any time as well. SIGTERM closes the ranges that are open.
    /// It starts, waits and ends as `documents` does.
    Archive(ArchiveArgs),
}

#[derive(Clone, Debug, Args)]
pub struct DocumentsArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub store: MongodbArgs,
    #[command(flatten)]
    pub process: ProcessArgs,
}

#[derive(Clone, Debug, Args)]
pub struct SearchArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub store: ElasticsearchArgs,
    #[command(flatten)]
    pub process: ProcessArgs,
}

#[derive(Clone, Debug, Args)]
pub struct AnalyticsArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub store: ClickhouseArgs,
    #[command(flatten)]
    pub process: ProcessArgs,
}

#[derive(Clone, Debug, Args)]
pub struct AllArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub mongodb: MongodbArgs,
    #[command(flatten)]
    pub elasticsearch: ElasticsearchArgs,
    #[command(flatten)]
    pub clickhouse: ClickhouseArgs,
    #[command(flatten)]
    pub process: ProcessArgs,
}

/// Where posts are searched for.
#[derive(Clone, Debug, Args)]
pub struct ElasticsearchArgs {
    /// Elasticsearch.
    #[arg(long, env = "GROOT_ELASTICSEARCH_URL", hide_env_values = true, value_name = "URL", default_value = "http://127.0.0.1:9200", value_parser = config::http_url)]
    pub elasticsearch_url: String,
    /// What the names of indexes begin with.
    #[arg(long, env = "GROOT_ELASTICSEARCH_PREFIX", value_name = "PREFIX", default_value = "groot", value_parser = config::index_prefix)]
    pub elasticsearch_prefix: String,
}

/// Where events are counted.
#[derive(Clone, Debug, Args)]
pub struct ClickhouseArgs {
    /// ClickHouse's HTTP interface.
    #[arg(long, env = "GROOT_CLICKHOUSE_URL", hide_env_values = true, value_name = "URL", default_value = "http://127.0.0.1:8123", value_parser = config::http_url)]
    pub clickhouse_url: String,
    /// The database that holds the tables.
    #[arg(long, env = "GROOT_CLICKHOUSE_DATABASE", value_name = "NAME", default_value = "groot", value_parser = config::database_name)]
    pub clickhouse_database: String,
    /// Who asks; nobody in particular if it is empty.
    #[arg(long, env = "GROOT_CLICKHOUSE_USER", value_name = "NAME", default_value = "")]
    pub clickhouse_user: String,
    /// That user's password. The environment is the place for it.
    #[arg(
        long,
        env = "GROOT_CLICKHOUSE_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        default_value = ""
    )]
    pub clickhouse_password: String,
}

impl ClickhouseArgs {
    pub fn address(&self) -> ClickhouseAddress {
        ClickhouseAddress {
            url: self.clickhouse_url.clone(),
            database: self.clickhouse_database.clone(),
            user: self.clickhouse_user.clone(),
            password: self.clickhouse_password.clone(),
        }
    }
}

/// Where the documents are.
#[derive(Clone, Debug, Args)]
pub struct MongodbArgs {
    /// The MongoDB replica set.
    #[arg(long, env = "GROOT_MONGODB_URI", hide_env_values = true, value_name = "URI", default_value = "mongodb://127.0.0.1:27017/?replicaSet=rs0", value_parser = config::mongodb_uri)]
    pub mongodb_uri: String,
    /// The database that holds the documents.
    #[arg(long, env = "GROOT_MONGODB_DATABASE", value_name = "NAME", default_value = "groot", value_parser = config::not_blank)]
    pub mongodb_database: String,
}

/// What is projected, and how, whatever it is projected into.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    #[command(flatten)]
    pub log: LogArgs,
    /// What the names of consumer groups begin with.
    #[arg(long, env = "GROOT_GROUP_PREFIX", value_name = "PREFIX", default_value = "groot", value_parser = config::not_blank)]
    pub group_prefix: String,
    /// An event that cannot be projected parks its aggregate; a partition with more parked aggregates than this halts.
    #[arg(long, env = "GROOT_PARKED_LIMIT", value_name = "COUNT", default_value_t = 100)]
    pub parked_limit: usize,
    /// A partition that is further behind than this makes /ready fail.
    #[arg(long, env = "GROOT_READY_LAG", value_name = "TIME", default_value = "30s", value_parser = config::duration)]
    pub ready_lag: Duration,
}

/// The log, as every projection reads it.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// The Kafka brokers.
    #[arg(long, env = "GROOT_KAFKA_BROKERS", value_name = "HOST:PORT,...", default_value = "127.0.0.1:9092", value_parser = config::host_port_list)]
    pub kafka_brokers: String,
    /// The schema registry's Confluent API.
    #[arg(long, env = "GROOT_SCHEMA_REGISTRY_URL", value_name = "URL", default_value = "http://127.0.0.1:8081/apis/ccompat/v7", value_parser = config::http_url)]
    pub schema_registry_url: String,
    /// The topic that holds the events.
    #[arg(long, env = "GROOT_EVENTS_TOPIC", value_name = "TOPIC", default_value = "groot.events", value_parser = config::not_blank)]
    pub events_topic: String,
    /// The topic that holds the addresses of owners.
    #[arg(long, env = "GROOT_OWNERS_TOPIC", value_name = "TOPIC", default_value = "groot.owners", value_parser = config::not_blank)]
    pub owners_topic: String,
    /// The topic whose first record names the log.
    #[arg(long, env = "GROOT_LOG_TOPIC", value_name = "TOPIC", default_value = "groot.log", value_parser = config::not_blank)]
    pub log_topic: String,
    /// The topic that holds activity, which only analytics reads.
    #[arg(long, env = "GROOT_ACTIVITY_TOPIC", value_name = "TOPIC", default_value = "groot.activity", value_parser = config::not_blank)]
    pub activity_topic: String,
    /// How many partitions the events topic has.
    #[arg(long, env = "GROOT_EVENTS_PARTITIONS", value_name = "COUNT", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub events_partitions: u32,
    /// The archive of the events, from where records are read that were deleted from Kafka: a directory, or a URL such as
    /// s3://bucket/folder, which takes region, credentials and endpoint from the usual AWS_ variables. None where left out; what is
    /// about the archive itself uses .groot/dev/data/archive then.
    #[arg(long, env = "GROOT_ARCHIVE", value_name = "DIR|URL", value_parser = config::not_blank)]
    pub archive: Option<String>,
}

/// The process itself.
#[derive(Clone, Debug, Args)]
pub struct ProcessArgs {
    /// Where /health, /ready and /metrics are served.
    #[arg(long, env = "GROOT_ADMIN_ADDR", value_name = "IP:PORT", default_value = "127.0.0.1:9103", value_parser = config::socket_addr)]
    pub admin_addr: SocketAddr,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// Where the archive is beside the local servers.
const ARCHIVE_PLACE: &str = ".groot/dev/data/archive";

impl LogArgs {
    /// The same for the log's own client.
    pub fn kafka(&self, client_id: &str) -> KafkaConfig {
        KafkaConfig {
            client_id: client_id.to_owned(),
            events_topic: self.events_topic.clone(),
            owners_topic: self.owners_topic.clone(),
            log_topic: self.log_topic.clone(),
            activity_topic: self.activity_topic.clone(),
            partitions: self.events_partitions,
            // Nothing is appended here.
            lanes: 0,
            archive: self.archive.clone(),
            ..KafkaConfig::local(&self.kafka_brokers)
        }
    }

    /// Where the archive is, for what cannot do without one.
    pub fn archive_place(&self) -> &str {
        self.archive.as_deref().unwrap_or(ARCHIVE_PLACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_default_that_works_locally() {
        let cli: Cli = config::read_from(&["projectors", "documents"]).unwrap();
        let ProjectionCommand::Documents(args) = cli.projection else { panic!() };
        assert_eq!(args.process.admin_addr.port(), 9103);
        assert_eq!(args.source.log.kafka("x").events_topic, "groot.events");
    }

    #[test]
    fn every_projection_takes_the_same_settings_of_the_log() {
        for projection in ["search", "analytics", "all"] {
            assert!(
                config::read_from::<Cli>(&["projectors", projection, "--parked-limit", "7"]).is_ok(),
                "{projection}"
            );
        }
    }

    #[test]
    fn a_bad_value_names_the_variable() {
        let error = config::read_from::<Cli>(&["projectors", "documents", "--mongodb-uri", "localhost"]).unwrap_err();
        assert!(error.0.starts_with("GROOT_MONGODB_URI (--mongodb-uri)"), "{error}");
    }
}
