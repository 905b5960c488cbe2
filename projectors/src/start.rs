//! Starting a projection: what it needs is connected, then it runs by itself.

use std::sync::Arc;
use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaError, KafkaLog, identify};
use event_schema::codec::{Codec, RegistryConfig};
use read_model::{Projection as Names, Versions};
use service::config::{ConfigError, without_credentials};
use service::health::Health;
use service::problem::chain;
use service::startup::{StartupError, connect_with_retries};
use service::supervise::Supervisor;
use thiserror::Error;

use crate::catalog::Catalog;
use crate::config::SourceArgs;
use crate::follow::{Follows, Running, Topic};
use crate::projection::{Projection, StoreFailure};
use crate::runner::Shared;
use crate::runner::partition::MAX_EVENTS;
use crate::runner::room::Room;
use crate::runner::status::Status;

/// What every projection needs to know, whatever it writes to.
#[derive(Clone, Debug)]
pub struct Source {
    pub kafka: KafkaConfig,
    pub schema_registry_url: String,
    /// The consumer group is `<prefix>.<projection>_v<version>`.
    pub group_prefix: String,
    /// A partition further behind makes the readiness check fail.
    pub ready_lag: Duration,
    /// A partition with more parked aggregates halts.
    pub parked_limit: usize,
}

#[derive(Debug, Error)]
pub enum StartError {
    /// A server did not answer in five tries.
    // Not transparent: exit codes are told by the links of the chain, and a transparent error is no link.
    #[error("the projection cannot start")]
    Dependency(#[from] StartupError),
    #[error("the log cannot be read")]
    Log(#[source] KafkaError),
    #[error("the archive cannot be used")]
    Config(#[from] ConfigError),
}

impl From<KafkaError> for StartError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::Archive { .. } => Self::Config(ConfigError(chain(&error))),
            error => Self::Log(error),
        }
    }
}

/// The events of the log, into the versions of a store.
struct Events<C> {
    catalog: C,
    log_id: u64,
    codec: Arc<Codec>,
    parked_limit: usize,
}

impl From<&SourceArgs> for Source {
    fn from(args: &SourceArgs) -> Self {
        Self {
            kafka: args.log.kafka("groot-projectors"),
            schema_registry_url: args.log.schema_registry_url.clone(),
            group_prefix: args.group_prefix.clone(),
            ready_lag: args.ready_lag,
            parked_limit: args.parked_limit,
        }
    }
}

impl Source {
    pub(crate) fn topic(&self, kafka: &KafkaConfig) -> Topic {
        Topic { kafka: kafka.clone(), group_prefix: self.group_prefix.clone(), ready_lag: self.ready_lag }
    }
}

/// A store, as a projection is told of it.
#[derive(Clone, Copy, Debug)]
pub struct StoreAddress<'a> {
    /// The server's name, for people.
    pub name: &'a str,
    /// May hold credentials, which nobody is shown.
    pub url: &'a str,
}

/// What a projection of events runs with.
#[derive(Debug)]
pub struct Connected<C> {
    pub(crate) catalog: C,
    pub(crate) versions: Versions,
    pub(crate) log_id: u64,
    codec: Arc<Codec>,
}

/// Connects to Kafka, the registry and, by `connect`, to the store, and prepares all of it that is followed.
pub async fn connected<C: Catalog>(
    source: &Source,
    store: StoreAddress<'_>,
    connect: impl AsyncFnMut() -> Result<C, StoreFailure>,
) -> Result<Connected<C>, StartError> {
    let kafka = &source.kafka;
    let (identity, codec, (catalog, versions)) = tokio::try_join!(
        connect_with_retries("Kafka", &kafka.brokers, || identify(kafka)),
        schemas(&source.schema_registry_url, &kafka.events_topic),
        prepared(store, connect),
    )?;
    Ok(Connected { catalog, versions, log_id: identity.log_id, codec: Arc::new(codec) })
}

/// What the events of a topic are decoded with.
pub async fn schemas(registry_url: &str, events_topic: &str) -> Result<Codec, StartupError> {
    let registry = RegistryConfig { url: registry_url.to_owned(), topic: events_topic.to_owned() };
    let connect = || Codec::connect_to_read(registry.clone());
    connect_with_retries("the schema registry", &without_credentials(registry_url), connect).await
}

impl<C: Catalog> Connected<C> {
    /// Starts to project into each version that the store wants followed. Adds a check with the projection's name to `health`.
    ///
    /// Cancel the supervisor's token to stop: running batches are finished and the partitions handed over.
    pub fn start(self, source: &Source, health: &Health, supervisor: &Supervisor) -> Result<Running, StartError> {
        let Self { catalog, versions, log_id, codec } = self;
        let events = Events { catalog, log_id, codec, parked_limit: source.parked_limit };
        Ok(Running::start(events, source.topic(&source.kafka), &versions, health, supervisor)?)
    }
}

/// The store, with all that its versions need to be written.
async fn prepared<C: Catalog>(
    store: StoreAddress<'_>,
    mut connect: impl AsyncFnMut() -> Result<C, StoreFailure>,
) -> Result<(C, Versions), StartupError> {
    let prepare = async || {
        let catalog = connect().await?;
        let versions = catalog.versions().await?;
        for version in &versions.followed {
            catalog.prepare(*version).await?;
        }
        Ok::<_, StoreFailure>((catalog, versions))
    };
    connect_with_retries(store.name, &without_credentials(store.url), prepare).await
}

impl<C: Catalog> Follows for Events<C> {
    type Reads = Shared<C::Projection>;

    const FIRST: Names = C::FIRST;

    fn versions(&self) -> impl Future<Output = Result<Versions, StoreFailure>> + Send {
        self.catalog.versions()
    }

    fn prepare(&self, version: u32) -> impl Future<Output = Result<(), StoreFailure>> + Send {
        self.catalog.prepare(version)
    }

    fn reads(&self, version: u32, log: KafkaLog, status: Status) -> Self::Reads {
        Shared {
            projection: self.catalog.projection(version, self.log_id),
            codec: self.codec.clone(),
            log,
            status,
            room: Room::new(C::Projection::UNDER_WAY_BYTES),
            batch_events: MAX_EVENTS,
            parked_limit: self.parked_limit,
        }
    }
}
