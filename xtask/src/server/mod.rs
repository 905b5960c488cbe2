//! The servers of the stack: one file says for each how it is laid out, started and seen to be ready.

mod clickhouse;
mod elasticsearch;
mod kafka;
mod mongodb;
mod redis;
mod registry;
pub mod toxiproxy;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::failure::{Because, Result};
use crate::paths::StackPaths;
use crate::ports::{self, Reserved};
use crate::probe::Probe;
use crate::process::Launch;
use crate::progress::Progress;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Kafka,
    Registry,
    Mongodb,
    Elasticsearch,
    Clickhouse,
    Redis,
    /// For tests: proxies between programs and brokers.
    Toxiproxy,
}

impl Service {
    /// Those that a developer's stack has.
    pub const ALL: [Self; 6] =
        [Self::Kafka, Self::Registry, Self::Mongodb, Self::Elasticsearch, Self::Clickhouse, Self::Redis];

    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Registry => "registry",
            Self::Mongodb => "mongodb",
            Self::Elasticsearch => "elasticsearch",
            Self::Clickhouse => "clickhouse",
            Self::Redis => "redis",
            Self::Toxiproxy => "toxiproxy",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One server process: what to run, on which ports, and how to see that it is ready.
#[derive(Debug, Clone)]
pub struct Server {
    pub service: Service,
    pub launch: Launch,
    pub ports: Vec<u16>,
    pub probe: Probe,
}

/// What a server needs to know to lay itself out.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub cache: &'a Cache,
    pub paths: &'a StackPaths,
    pub ports: &'a Ports,
    pub progress: &'a Progress,
    /// Lines that go into each broker's configuration.
    pub kafka_settings: &'a [(String, String)],
    /// Whether Java compiles as far as it can.
    pub optimising: bool,
}

/// Fetches what `service` needs, writes its configuration and says how to start it.
pub(crate) fn lay_out(service: Service, site: &Site) -> Result<Vec<Server>> {
    match service {
        Service::Kafka => kafka::lay_out(site),
        Service::Registry => registry::lay_out(site).map(only),
        Service::Mongodb => mongodb::lay_out(site).map(only),
        Service::Elasticsearch => elasticsearch::lay_out(site).map(only),
        Service::Clickhouse => clickhouse::lay_out(site).map(only),
        Service::Redis => redis::lay_out(site).map(only),
        Service::Toxiproxy => toxiproxy::lay_out(site).map(only),
    }
}

/// Puts everything `service` needs into the cache without starting it.
pub(crate) fn provision(service: Service, cache: &Cache, progress: &Progress) -> Result<()> {
    match service {
        Service::Kafka => cache.provide(&crate::packages::KAFKA, progress).map(drop),
        Service::Registry => cache.provide(&crate::packages::REGISTRY, progress).map(drop),
        Service::Mongodb => cache.provide(&crate::packages::MONGODB, progress).map(drop),
        Service::Elasticsearch => elasticsearch::provide(cache, progress).map(drop),
        Service::Clickhouse => cache.provide(&crate::packages::CLICKHOUSE, progress).map(drop),
        Service::Redis => Ok(()),
        Service::Toxiproxy => cache.provide(&crate::packages::TOXIPROXY, progress).map(drop),
    }
}

fn only(server: Server) -> Vec<Server> {
    vec![server]
}

/// The ports of one stack.
#[derive(Debug)]
pub struct Ports {
    /// Clients' and controllers' port of each broker.
    pub kafka: Vec<(u16, u16)>,
    pub registry: u16,
    pub mongodb: u16,
    /// HTTP and transport.
    pub elasticsearch: (u16, u16),
    pub clickhouse: u16,
    pub redis: u16,
    /// Where the proxies are told what to do.
    pub toxiproxy: u16,
    /// Ways through proxies to the brokers; each has for every broker the broker's port and the proxy's.
    pub ways: Vec<Vec<(u16, u16)>>,
    _held: Vec<Reserved>,
}

impl Ports {
    /// The documented ports of the developer's stack.
    pub fn documented(brokers: u16) -> Self {
        Self {
            kafka: (0..brokers).map(|i| (9092 + 2 * i, 9093 + 2 * i)).collect(),
            registry: 8081,
            mongodb: 27017,
            elasticsearch: (9200, 9300),
            clickhouse: 8123,
            redis: 6379,
            toxiproxy: 8474,
            ways: Vec::new(),
            _held: Vec::new(),
        }
    }

    /// Every port that `service` listens on.
    pub(crate) fn of(&self, service: Service) -> Vec<u16> {
        match service {
            Service::Kafka => {
                let ways = self.ways.iter().flatten().map(|(broker, _)| *broker);
                self.kafka.iter().flat_map(|(clients, controllers)| [*clients, *controllers]).chain(ways).collect()
            }
            Service::Toxiproxy => {
                let proxies = self.ways.iter().flatten().map(|(_, proxy)| *proxy);
                proxies.chain([self.toxiproxy]).collect()
            }
            Service::Elasticsearch => vec![self.elasticsearch.0, self.elasticsearch.1],
            _ => vec![self.probe(service).port()],
        }
    }

    /// How to see that `service` answers on its port.
    pub fn probe(&self, service: Service) -> Probe {
        let http = |port, path: &str| Probe::Http { port, path: path.to_owned() };
        match service {
            Service::Kafka => Probe::Kafka { port: self.kafka[0].0, brokers: self.kafka.len() },
            Service::Registry => http(self.registry, "/apis/ccompat/v7/subjects"),
            Service::Mongodb => Probe::Mongodb { port: self.mongodb },
            Service::Elasticsearch => http(self.elasticsearch.0, "/_cluster/health?wait_for_status=yellow&timeout=1s"),
            Service::Clickhouse => http(self.clickhouse, "/ping"),
            Service::Redis => Probe::Redis { port: self.redis },
            Service::Toxiproxy => http(self.toxiproxy, "/version"),
        }
    }

    /// Free ports that no other stack of this machine takes as long as the answer lives.
    pub fn reserved(brokers: u16, ways: usize) -> Result<Self> {
        let mut held = Vec::new();
        let mut next = || -> Result<u16> {
            let reserved = ports::reserve()?;
            let port = reserved.port;
            held.push(reserved);
            Ok(port)
        };
        let kafka = (0..brokers).map(|_| Ok((next()?, next()?))).collect::<Result<Vec<_>>>()?;
        let (registry, mongodb, elasticsearch) = (next()?, next()?, (next()?, next()?));
        let (clickhouse, redis, toxiproxy) = (next()?, next()?, next()?);
        let mut way = || (0..brokers).map(|_| Ok((next()?, next()?))).collect::<Result<Vec<_>>>();
        let ways = (0..ways).map(|_| way()).collect::<Result<Vec<_>>>()?;
        Ok(Self { kafka, registry, mongodb, elasticsearch, clickhouse, redis, toxiproxy, ways, _held: held })
    }
}

/// Writes a configuration file, its folder included.
fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        crate::paths::make_folder(folder)?;
    }
    fs::write(path, text).because(|| format!("cannot write {}", path.display()))
}

/// `java` with the arguments, for all the servers that run on it.
fn java(name: &str, optimising: bool, mut args: Vec<String>, env: Vec<(String, String)>) -> Launch {
    if !optimising {
        args.insert(0, "-XX:TieredStopAtLevel=1".to_owned());
    }
    Launch { name: name.to_owned(), program: PathBuf::from("java"), args, env }
}
