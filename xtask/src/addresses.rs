//! Where the servers of a stack answer, under the names by which Groot's programs are told.

use crate::keys::Secrets;
use crate::server::{Ports, Service};

/// Environment names and values, in a stable order.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub kafka_brokers: String,
    pub schema_registry_url: String,
    pub mongodb_uri: String,
    pub mongodb_database: String,
    pub elasticsearch_url: String,
    pub clickhouse_url: String,
    pub redis_url: String,
    pub jwks_file: String,
    pub peer_secret: String,
    /// The brokers through the proxies of each way, for a stack that has ways.
    pub ways: Vec<String>,
    /// Where the proxies are told what to do.
    pub toxiproxy_url: String,
    services: Vec<Service>,
}

impl Addresses {
    pub(crate) fn new(ports: &Ports, services: &[Service], secrets: &Secrets) -> Self {
        Self {
            kafka_brokers: list(ports.kafka.iter().map(|(port, _)| *port)),
            schema_registry_url: format!("http://127.0.0.1:{}/apis/ccompat/v7", ports.registry),
            mongodb_uri: format!("mongodb://127.0.0.1:{}/?replicaSet=rs0", ports.mongodb),
            mongodb_database: "groot".to_owned(),
            elasticsearch_url: format!("http://127.0.0.1:{}", ports.elasticsearch.0),
            clickhouse_url: format!("http://127.0.0.1:{}", ports.clickhouse),
            redis_url: format!("redis://127.0.0.1:{}", ports.redis),
            jwks_file: secrets.jwks_file.display().to_string(),
            peer_secret: secrets.peer_secret.clone(),
            ways: ports.ways.iter().map(|way| list(way.iter().map(|(_, proxy)| *proxy))).collect(),
            toxiproxy_url: format!("http://127.0.0.1:{}", ports.toxiproxy),
            services: services.to_vec(),
        }
    }

    pub(crate) fn has(&self, service: Service) -> bool {
        self.services.contains(&service)
    }

    /// The variables that Groot's programs read; a server that was not started has none.
    pub fn env(&self) -> Vec<(String, String)> {
        let of = |service: Service, name: &str, value: &str| {
            self.services.contains(&service).then(|| (name.to_owned(), value.to_owned()))
        };
        let servers = [
            of(Service::Kafka, "GROOT_KAFKA_BROKERS", &self.kafka_brokers),
            of(Service::Registry, "GROOT_SCHEMA_REGISTRY_URL", &self.schema_registry_url),
            of(Service::Mongodb, "GROOT_MONGODB_URI", &self.mongodb_uri),
            of(Service::Mongodb, "GROOT_MONGODB_DATABASE", &self.mongodb_database),
            of(Service::Elasticsearch, "GROOT_ELASTICSEARCH_URL", &self.elasticsearch_url),
            of(Service::Clickhouse, "GROOT_CLICKHOUSE_URL", &self.clickhouse_url),
            of(Service::Redis, "GROOT_REDIS_URL", &self.redis_url),
        ];
        let ours = [
            ("GROOT_JWKS_FILE".to_owned(), self.jwks_file.clone()),
            ("GROOT_PEER_SECRET".to_owned(), self.peer_secret.clone()),
        ];
        servers.into_iter().flatten().chain(ours).collect()
    }

    pub(crate) fn to_env_file(&self) -> String {
        self.env().iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }
}

fn list(ports: impl Iterator<Item = u16>) -> String {
    ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}
