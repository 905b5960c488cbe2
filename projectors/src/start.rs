//! Starting a projection: what it needs is connected, then it runs by itself.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use event_log::kafka::{KafkaConfig, KafkaError, KafkaLog, MembershipConfig, Subscription, identify};
use event_schema::codec::{Codec, RegistryConfig};
use futures::future::{BoxFuture, FutureExt};
use serde::Serialize;
use service::config::{ConfigError, without_credentials};
use service::health::Health;
use service::problem::chain;
use service::startup::{StartupError, connect_with_retries};
use service::supervise::{OnCancel, OnError, Supervisor};
use thiserror::Error;

use crate::config::SourceArgs;
use crate::dead_letter::Parked;
use crate::projection::Projection;
use crate::runner::room::Room;
use crate::runner::status::{PartitionReport, Status};
use crate::runner::{Reads, Runner, Shared, lag};

/// What every projection needs to know, whatever it writes to.
#[derive(Clone, Debug)]
pub struct Source {
    pub kafka: KafkaConfig,
    pub schema_registry_url: String,
    /// The consumer group is `<prefix>.<projection>`.
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

/// A projection, running under the supervisor that it was started with.
#[derive(Debug)]
pub struct Running<P> {
    shared: Arc<Shared<P>>,
}

/// How a projection is doing in this process, for people.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionReport {
    pub projection: &'static str,
    /// Of all partitions together; None until the ends of all of them are known.
    pub lag_records: Option<u64>,
    /// Of the one that is furthest behind.
    pub lag_seconds: f64,
    pub partitions: Vec<PartitionReport>,
    /// To a hundred of them.
    pub parked: Vec<Parked>,
    /// Why not all that is parked is known.
    pub parked_unknown: Option<String>,
}

/// Tells how a projection is doing.
pub type Reporter = Arc<dyn Fn() -> BoxFuture<'static, ProjectionReport> + Send + Sync>;

/// As many parked keys as are told.
const MOST_PARKED: usize = 100;

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

/// A store, as a projection is told of it.
#[derive(Clone, Copy, Debug)]
pub struct StoreAddress<'a> {
    /// The server's name, for people.
    pub name: &'a str,
    /// May hold credentials, which nobody is shown.
    pub url: &'a str,
}

/// Connects to Kafka, the registry and, by `prepare`, to the store; makes the projection of that and the id of the log, and starts
/// to project. Adds a check with the projection's name to `health`.
///
/// Cancel the supervisor's token to stop: running batches are finished and the partitions handed over.
pub async fn start<S, P: Projection, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    source: &Source,
    store: StoreAddress<'_>,
    prepare: impl AsyncFnMut() -> Result<S, E>,
    projection: impl FnOnce(S, u64) -> P,
    health: &Health,
    supervisor: &Supervisor,
) -> Result<Running<P>, StartError> {
    let kafka = &source.kafka;
    let registry = RegistryConfig { url: source.schema_registry_url.clone(), topic: kafka.events_topic.clone() };
    let [address, registry_address] = [store.url, &registry.url].map(without_credentials);
    let (identity, codec, store) = tokio::try_join!(
        connect_with_retries("Kafka", &kafka.brokers, || identify(kafka)),
        connect_with_retries("the schema registry", &registry_address, || Codec::connect(registry.clone())),
        connect_with_retries(store.name, &address, prepare),
    )?;
    let projection = projection(store, identity.log_id);
    let name = projection.name();
    let group = format!("{}.{name}", source.group_prefix);
    let log = KafkaLog::connect(kafka)?;
    let subscription = Subscription::start(kafka, MembershipConfig::new(group), log.clone())?;
    let status = Status::new(name);
    let shared = Arc::new(Shared {
        projection,
        codec,
        log: log.clone(),
        status: status.clone(),
        room: Room::default(),
        parked_limit: source.parked_limit,
    });
    run(shared.clone(), Reading { status, log, subscription, ready_lag: source.ready_lag }, health, supervisor);
    Ok(Running { shared })
}

impl<P: Projection> Running<P> {
    /// How the partitions of this process are doing.
    pub fn status(&self) -> &Status {
        &self.shared.status
    }

    /// Tells how the projection is doing, again and again.
    pub fn reporter(&self) -> Reporter {
        let shared = self.shared.clone();
        Arc::new(move || report(shared.clone()).boxed())
    }

    /// Lets the last write end and closes the connections. The supervisor's tasks must have finished.
    pub async fn close(self) {
        self.shared.projection.settled().await;
        self.shared.log.clone().close().await;
    }
}

async fn report<P: Projection>(shared: Arc<Shared<P>>) -> ProjectionReport {
    let mut report = ProjectionReport::measured(shared.projection.name(), &shared.status, &shared.log);
    for partition in &report.partitions {
        match shared.projection.parked(partition.partition).await {
            Ok(keys) => report.parked.extend(keys),
            Err(failure) => report.parked_unknown = Some(failure.to_string()),
        }
        if report.parked.len() >= MOST_PARKED {
            report.parked.truncate(MOST_PARKED);
            break;
        }
    }
    report
}

impl ProjectionReport {
    /// As of now, without what is parked.
    pub(crate) fn measured(projection: &'static str, status: &Status, log: &KafkaLog) -> Self {
        status.measure(|partition| log.end_offset(partition), Utc::now().timestamp_millis());
        let partitions = status.report();
        Self {
            projection,
            lag_records: partitions.iter().map(|partition| partition.lag_records).sum(),
            lag_seconds: partitions.iter().map(|partition| partition.lag_seconds).fold(0.0, f64::max),
            partitions,
            parked: Vec::new(),
            parked_unknown: None,
        }
    }
}

/// What is needed to read a topic and to tell how that goes.
pub(crate) struct Reading {
    pub status: Status,
    pub log: KafkaLog,
    pub subscription: Subscription,
    pub ready_lag: Duration,
}

/// Reads what the group gives to this process, under the supervisor, and adds a check with the name of what reads.
pub(crate) fn run<R: Reads>(reads: Arc<R>, reading: Reading, health: &Health, supervisor: &Supervisor) {
    let Reading { status, log, subscription, ready_lag } = reading;
    let (name, checked) = (reads.name(), status.clone());
    health.check(name, move || std::future::ready(checked.readiness(ready_lag)));
    supervisor.spawn(format!("{name} lag"), OnError::Restart, OnCancel::Finish, move |cancel| {
        lag::keep_measuring(status.clone(), log.clone(), cancel)
    });
    let mut runner = Some(Runner::new(reads, subscription, supervisor.clone()));
    // It can fail only by a panic, after which the process has to begin anew.
    supervisor.spawn(name, OnError::Shutdown, OnCancel::Finish, move |cancel| {
        let runner = runner.take();
        async move {
            if let Some(runner) = runner {
                runner.run_until(cancel).await;
            }
            Ok::<_, std::convert::Infallible>(())
        }
    });
}
