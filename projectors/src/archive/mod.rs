//! The archive of the log: what `projectors archive` does. It projects nothing, but reads as projections do, shares partitions as they do
//! and tells how it is doing as they do.
//!
//! - [`partition`]: reads every record of a partition and closes ranges of them; [`event_log::archive`] knows what a range is
//! - [`retention`]: deletes from the cluster what has been archived for long
//! - [`args`]: its settings; [`meters`]: its metrics

pub mod args;
pub mod meters;
pub mod partition;
pub mod retention;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use event_log::archive::{Archive, ArchiveError, ArchiveIdentity, EmbeddedSchema, SchemaUse};
use event_log::kafka::{AssignedPartition, KafkaLog, MembershipConfig, Retention, Subscription, identify};
use event_schema::codec::{Codec, DecodeError, RegistryConfig};
use futures::future::FutureExt;
use service::config::{ConfigError, without_credentials};
use service::health::Health;
use service::problem::chain;
use service::startup::connect_with_retries;
use service::supervise::Supervisor;

use crate::archive::args::{ArchiveArgs, Settings};
use crate::archive::partition::Worker;
use crate::runner::Reads;
use crate::runner::status::Status;
use crate::start::{ProjectionReport, Reading, Reporter, StartError, run};

/// Names the group, the metrics' label and the readiness check.
pub const NAME: &str = "archive";

/// What the partitions share.
#[derive(Debug)]
pub struct Shared {
    archive: Archive,
    identity: ArchiveIdentity,
    settings: Settings,
    codec: Codec,
    /// What the registry has told.
    schemas: Mutex<HashMap<SchemaUse, String>>,
    log: KafkaLog,
    retention: Retention,
    status: Status,
}

/// The archiving, running under the supervisor that it was started with.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
}

/// Connects to Kafka, the registry and object storage, and starts to archive. Adds a check to `health`; stops as [`mod@crate::start`] does.
pub async fn start(args: &ArchiveArgs, health: &Health, supervisor: &Supervisor) -> Result<Running, StartError> {
    let place = args.log.archive_place().to_owned();
    let unusable =
        |error: &(dyn std::error::Error + 'static)| ConfigError(format!("GROOT_ARCHIVE is {place}: {}", chain(error)));
    let archive = Archive::at(&place).map_err(|error| unusable(&error))?;
    let mut kafka = args.log.kafka("groot-archive");
    kafka.archive = Some(place.clone());
    let registry = RegistryConfig { url: args.log.schema_registry_url.clone(), topic: kafka.events_topic.clone() };
    let registry_address = without_credentials(&registry.url);
    let (identity, codec) = tokio::try_join!(
        connect_with_retries("Kafka", &kafka.brokers, || identify(&kafka)),
        connect_with_retries("the schema registry", &registry_address, || Codec::connect(registry.clone())),
    )?;
    let identity = ArchiveIdentity::new(identity.log_id, &kafka.events_topic, identity.partitions);
    let address = without_credentials(&place);
    let belongs = connect_with_retries("the archive's object storage", &address, async || {
        match archive.belong_to(&identity).await {
            Err(error) if error.is_retryable() => Err(error),
            settled => Ok(settled),
        }
    });
    belongs.await?.map_err(|error| unusable(&error))?;
    let log = KafkaLog::connect(&kafka)?;
    let group = MembershipConfig::new(format!("{}.{NAME}", args.group_prefix));
    let subscription = Subscription::start(&kafka, group, log.clone())?;
    let status = Status::new(NAME);
    let settings = Settings::from(args);
    let shared = Arc::new(Shared {
        archive,
        identity,
        settings,
        codec,
        schemas: Mutex::default(),
        log: log.clone(),
        retention: Retention::connect(&kafka)?,
        status: status.clone(),
    });
    // A range is as old as it may be before it is archived, and nothing is wrong.
    let ready_lag = args.ready_lag + settings.range_age;
    run(shared.clone(), Reading { status, log, subscription, ready_lag }, health, supervisor);
    Ok(Running { shared })
}

impl Running {
    /// How the partitions of this process are doing.
    pub fn status(&self) -> &Status {
        &self.shared.status
    }

    /// Tells how it is doing, again and again.
    pub fn reporter(&self) -> Reporter {
        let shared = self.shared.clone();
        Arc::new(move || {
            let shared = shared.clone();
            async move { ProjectionReport::measured(NAME, &shared.status, &shared.log) }.boxed()
        })
    }

    /// Closes the connections. The supervisor's tasks must have finished.
    pub async fn close(self) {
        self.shared.log.clone().close().await;
    }
}

impl Reads for Shared {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn read(self: Arc<Self>, assigned: AssignedPartition) {
        let partition = assigned.partition();
        Worker::new(self, partition).run(assigned).await;
    }
}

impl Shared {
    /// What a schema says. The registry is asked once for each.
    async fn schema(&self, used: &SchemaUse) -> Result<EmbeddedSchema, DecodeError> {
        let known = self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(used).cloned();
        let schema = match known {
            Some(schema) => schema,
            None => {
                let text = self.codec.schema_text(used.id, &used.fingerprint).await?;
                self.schemas.lock().unwrap_or_else(PoisonError::into_inner).insert(used.clone(), text.clone());
                text
            }
        };
        Ok(EmbeddedSchema { id: used.id, fingerprint: used.fingerprint.clone(), schema })
    }
}

/// The error and what caused it, for a sentence that an operator reads.
fn told(error: &ArchiveError) -> String {
    chain(error)
}
