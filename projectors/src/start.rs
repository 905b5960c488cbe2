//! Starting the documents projection: what it needs is connected, then it runs by itself.

use std::sync::Arc;
use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaError, KafkaLog, MembershipConfig, Subscription, identify};
use event_schema::codec::{Codec, RegistryConfig};
use mongodb::Client;
use read_model::{DOCUMENTS, ensure_indexes};
use service::config::without_credentials;
use service::health::Health;
use service::startup::{StartupError, connect_with_retries};
use service::supervise::{OnCancel, OnError, Supervisor};
use thiserror::Error;

use crate::config::DocumentsArgs;
use crate::documents::Documents;
use crate::documents::connect::connect;
use crate::documents::write::Store;
use crate::projection::Projection;
use crate::runner::status::Status;
use crate::runner::{Runner, Shared, lag};

/// What the documents projection needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    pub kafka: KafkaConfig,
    pub schema_registry_url: String,
    pub mongodb_uri: String,
    pub mongodb_database: String,
    /// The consumer group is `<prefix>.documents`.
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
    #[error("the documents projection cannot start")]
    Dependency(#[from] StartupError),
    #[error("the log cannot be read")]
    Log(#[from] KafkaError),
}

/// The documents projection, running under the supervisor that it was started with.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared<Documents>>,
}

impl From<&DocumentsArgs> for Settings {
    fn from(args: &DocumentsArgs) -> Self {
        Self {
            kafka: args.log.kafka("groot-projectors-documents"),
            schema_registry_url: args.log.schema_registry_url.clone(),
            mongodb_uri: args.mongodb_uri.clone(),
            mongodb_database: args.mongodb_database.clone(),
            group_prefix: args.group_prefix.clone(),
            ready_lag: args.process.ready_lag,
            parked_limit: args.parked_limit,
        }
    }
}

/// Connects to Kafka, the registry and MongoDB, and starts to project. Adds the check `documents` to `health`.
///
/// Cancel the supervisor's token to stop: running batches are finished and the partitions handed over.
pub async fn start(settings: &Settings, health: &Health, supervisor: &Supervisor) -> Result<Running, StartError> {
    let kafka = &settings.kafka;
    let registry = RegistryConfig { url: settings.schema_registry_url.clone(), topic: kafka.events_topic.clone() };
    let mongodb = without_credentials(&settings.mongodb_uri);
    let (identity, codec, client) = tokio::try_join!(
        connect_with_retries("Kafka", &kafka.brokers, || identify(kafka)),
        connect_with_retries("the schema registry", &registry.url, || Codec::connect(registry.clone())),
        connect_with_retries("MongoDB", &mongodb, || prepare(settings)),
    )?;
    let store = Store::new(client.database(&settings.mongodb_database), DOCUMENTS, identity.log_id);
    let projection = Documents::new(store);
    let group = format!("{}.{}", settings.group_prefix, projection.name());
    let log = KafkaLog::connect(kafka)?;
    let subscription = Subscription::start(kafka, MembershipConfig::new(group), log.clone())?;
    let status = Status::new(projection.name());
    let shared =
        Arc::new(Shared { projection, codec, log, status: status.clone(), parked_limit: settings.parked_limit });
    let limit = settings.ready_lag;
    health.check("documents", move || std::future::ready(status.readiness(limit)));
    supervise(shared.clone(), subscription, supervisor);
    Ok(Running { shared })
}

impl Running {
    /// How the partitions of this process are doing.
    pub fn status(&self) -> &Status {
        &self.shared.status
    }

    /// Lets the last write end and closes the connections. The supervisor's tasks must have finished.
    pub async fn close(self) {
        self.shared.projection.settled().await;
        self.shared.log.clone().close().await;
    }
}

/// Connects, and sees that collections and indexes are there.
async fn prepare(settings: &Settings) -> Result<Client, mongodb::error::Error> {
    let client = connect(&settings.mongodb_uri).await?;
    ensure_indexes(&client.database(&settings.mongodb_database), DOCUMENTS).await?;
    Ok(client)
}

fn supervise(shared: Arc<Shared<Documents>>, subscription: Subscription, supervisor: &Supervisor) {
    let measured = shared.clone();
    supervisor.spawn("documents lag", OnError::Restart, OnCancel::Finish, move |cancel| {
        lag::keep_measuring(measured.clone(), cancel)
    });
    let mut runner = Some(Runner::new(shared, subscription, supervisor.clone()));
    // It can fail only by a panic, after which the process has to begin anew.
    supervisor.spawn("documents", OnError::Shutdown, OnCancel::Finish, move |cancel| {
        let runner = runner.take();
        async move {
            if let Some(runner) = runner {
                runner.run_until(cancel).await;
            }
            Ok::<_, std::convert::Infallible>(())
        }
    });
}
