//! What command-api is told from outside. Every value has a default that works beside the local servers.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use event_log::kafka::KafkaConfig;
use event_schema::codec::RegistryConfig;
use service::config::{host_port_list, http_url, networks, not_blank, socket_addr};
use service::http::{HttpArgs, TrustedProxies};
use service::telemetry::TelemetryArgs;

/// Groot's write side: takes commands, decides them and appends their events to the log.
///
/// Start as many instances as you like, up to one for each partition: they share the partitions, pass commands on to each
/// other, and take over from an instance that ends. SIGTERM hands everything over and ends with exit code 0. A server that
/// does not answer at the start is tried five times in at most a minute, then it ends with exit code 3; a bad setting ends
/// it with 2.
///
/// Every flag can be set by the environment variable named with it.
#[derive(Clone, Debug, Parser)]
#[command(name = "command-api", version)]
pub struct Config {
    /// Where to serve clients.
    #[arg(long, env = "GROOT_HTTP_ADDR", value_name = "ADDR", default_value = "127.0.0.1:3001", value_parser = socket_addr)]
    pub http_addr: SocketAddr,
    /// Where to serve /health, /ready, /metrics and /owners to operators, and to take commands from other instances.
    #[arg(long, env = "GROOT_ADMIN_ADDR", value_name = "ADDR", default_value = "127.0.0.1:9101", value_parser = socket_addr)]
    pub admin_addr: SocketAddr,
    /// Where other instances reach the admin address; needed where that is a wildcard such as 0.0.0.0.
    #[arg(long, env = "GROOT_PEER_URL", value_name = "URL", value_parser = http_url)]
    pub peer_url: Option<String>,
    /// What instances show each other when they pass commands on. Without one, only those of the same machine do.
    #[arg(long, env = "GROOT_PEER_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = not_blank)]
    pub peer_secret: Option<String>,
    /// The name of this instance in claims and logs; a fresh one for each start where left out.
    #[arg(long, env = "GROOT_INSTANCE", value_name = "NAME", value_parser = not_blank)]
    pub instance: Option<String>,
    /// The Kafka brokers.
    #[arg(long, env = "GROOT_KAFKA_BROKERS", value_name = "HOST:PORT,...", default_value = "127.0.0.1:9092", value_parser = host_port_list)]
    pub kafka_brokers: String,
    /// The schema registry's Confluent API.
    #[arg(long, env = "GROOT_SCHEMA_REGISTRY_URL", value_name = "URL", default_value = "http://127.0.0.1:8081/apis/ccompat/v7", value_parser = http_url)]
    pub schema_registry_url: String,
    /// The topic that holds the events.
    #[arg(long, env = "GROOT_EVENTS_TOPIC", value_name = "TOPIC", default_value = "groot.events", value_parser = not_blank)]
    pub events_topic: String,
    /// The topic that holds the addresses of owners.
    #[arg(long, env = "GROOT_OWNERS_TOPIC", value_name = "TOPIC", default_value = "groot.owners", value_parser = not_blank)]
    pub owners_topic: String,
    /// The topic whose first record names the log.
    #[arg(long, env = "GROOT_LOG_TOPIC", value_name = "TOPIC", default_value = "groot.log", value_parser = not_blank)]
    pub log_topic: String,
    /// The topic that holds activity, such as views: what clients tell and nothing is decided by.
    #[arg(long, env = "GROOT_ACTIVITY_TOPIC", value_name = "TOPIC", default_value = "groot.activity", value_parser = not_blank)]
    pub activity_topic: String,
    /// Networks of proxies that are believed whom they have a request from (X-Forwarded-For, X-Geo-Country, X-Geo-Region), or none. They
    /// must not pass on what clients say of that themselves.
    #[arg(long, env = "GROOT_TRUSTED_PROXIES", value_name = "NETWORK,...", default_value = "127.0.0.0/8,::1/128", value_parser = networks)]
    pub trusted_proxies: TrustedProxies,
    /// How many partitions the events topic has; fixed when it is made.
    #[arg(long, env = "GROOT_EVENTS_PARTITIONS", value_name = "COUNT", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub events_partitions: u32,
    /// Copies of each partition, where the topics have to be made.
    #[arg(long, env = "GROOT_REPLICATION_FACTOR", value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=32))]
    pub replication_factor: i32,
    /// Copies that must have a record before it is acknowledged, where the topics have to be made.
    #[arg(long, env = "GROOT_MIN_INSYNC_REPLICAS", value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=32))]
    pub min_insync_replicas: i32,
    /// What the names of consumer groups begin with.
    #[arg(long, env = "GROOT_GROUP_PREFIX", value_name = "PREFIX", default_value = "groot", value_parser = not_blank)]
    pub group_prefix: String,
    /// The public keys that access tokens are verified with.
    #[arg(long, env = "GROOT_JWKS_FILE", value_name = "FILE", default_value = ".groot/dev/data/keys/jwks.json")]
    pub jwks_file: PathBuf,
    /// Where this instance keeps the state of its partitions; a directory of its own. What is in it can be derived from the log
    /// again, so it may be lost, but a start takes longer then.
    #[arg(long, env = "GROOT_STATE_DIR", value_name = "DIR", default_value = ".groot/dev/data/command-api")]
    pub state_dir: PathBuf,
    /// The object storage that all instances share, for snapshots of partitions: a directory, or a URL such as
    /// s3://bucket/folder, which takes region, credentials and endpoint from the usual AWS_ variables.
    #[arg(long, env = "GROOT_OBJECT_STORE", value_name = "DIR|URL", default_value = ".groot/dev/data/objects", value_parser = not_blank)]
    pub object_store: String,
    /// The archive of the events, from where records are read that were deleted from Kafka: a directory, or a URL such as
    /// s3://bucket/folder. None where left out.
    #[arg(long, env = "GROOT_ARCHIVE", value_name = "DIR|URL", value_parser = not_blank)]
    pub archive: Option<String>,
    /// Records of a partition after which a snapshot of it is stored.
    #[arg(long, env = "GROOT_SNAPSHOT_RECORDS", value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub snapshot_records: u64,
    /// Discard local state and snapshots of every partition that this instance gets, and fold the whole log. For use once, after
    /// a partition was halted because the log was cut back, when it is known what was lost.
    #[arg(long, env = "GROOT_REBUILD_STATE")]
    pub rebuild_state: bool,
    #[command(flatten)]
    pub http: HttpArgs,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl Config {
    pub fn kafka(&self, instance: &str) -> KafkaConfig {
        KafkaConfig {
            client_id: format!("command-api.{instance}"),
            events_topic: self.events_topic.clone(),
            owners_topic: self.owners_topic.clone(),
            log_topic: self.log_topic.clone(),
            activity_topic: self.activity_topic.clone(),
            partitions: self.events_partitions,
            replication_factor: self.replication_factor,
            min_insync_replicas: self.min_insync_replicas,
            archive: self.archive.clone(),
            ..KafkaConfig::local(self.kafka_brokers.clone())
        }
    }

    pub fn registry(&self) -> RegistryConfig {
        RegistryConfig { url: self.schema_registry_url.clone(), topic: self.events_topic.clone() }
    }

    /// The consumer group that shares the partitions among instances.
    pub fn group(&self) -> String {
        format!("{}.command-api", self.group_prefix)
    }
}

#[cfg(test)]
mod tests {
    use service::config::read_from;

    use super::*;

    #[test]
    fn every_value_has_a_default() {
        let config = read_from::<Config>(&["command-api"]).unwrap();
        assert_eq!(config.group(), "groot.command-api");
        assert_eq!(config.kafka("a").partitions, 12);
    }

    #[test]
    fn a_bad_value_is_named_with_what_is_allowed() {
        let error = read_from::<Config>(&["command-api", "--events-partitions", "0"]).unwrap_err();
        assert!(error.to_string().contains("GROOT_EVENTS_PARTITIONS"), "{error}");
    }
}
