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
use event_log::kafka::{AssignedPartition, KafkaLog, Retention, identify};
use event_schema::codec::{Codec, DecodeError};
use read_model::versions::FIRST;
use read_model::{Projection as Names, Versions};
use service::config::{ConfigError, without_credentials};
use service::health::Health;
use service::problem::chain;
use service::startup::connect_with_retries;
use service::supervise::Supervisor;

use crate::archive::args::{ArchiveArgs, Settings};
use crate::archive::partition::Worker;
use crate::dead_letter::Parked;
use crate::follow::{Follows, Running, Topic};
use crate::projection::StoreFailure;
use crate::runner::Reads;
use crate::runner::status::Status;
use crate::start::{StartError, schemas};

/// Names the group, the metrics' label and the readiness check. There is one archive of a log, and it never has another version.
pub const NAMES: Names = Names { name: "archive", version: FIRST };

/// What the partitions share.
#[derive(Debug)]
pub struct Shared {
    archive: Archive,
    identity: ArchiveIdentity,
    settings: Settings,
    codec: Arc<Codec>,
    /// What the registry has told.
    schemas: Arc<Mutex<HashMap<SchemaUse, String>>>,
    log: KafkaLog,
    retention: Arc<Retention>,
    status: Status,
}

/// The log, into its archive.
struct Archiving {
    archive: Archive,
    identity: ArchiveIdentity,
    settings: Settings,
    codec: Arc<Codec>,
    schemas: Arc<Mutex<HashMap<SchemaUse, String>>>,
    retention: Arc<Retention>,
}

/// Connects to Kafka, the registry and object storage, and starts to archive. Adds a check to `health`; stops as [`mod@crate::start`] does.
pub async fn start(args: &ArchiveArgs, health: &Health, supervisor: &Supervisor) -> Result<Running, StartError> {
    let place = args.log.archive_place().to_owned();
    let unusable =
        |error: &(dyn std::error::Error + 'static)| ConfigError(format!("GROOT_ARCHIVE is {place}: {}", chain(error)));
    let archive = Archive::at(&place).map_err(|error| unusable(&error))?;
    let mut kafka = args.log.kafka("groot-archive");
    kafka.archive = Some(place.clone());
    let (identity, codec) = tokio::try_join!(
        connect_with_retries("Kafka", &kafka.brokers, || identify(&kafka)),
        schemas(&args.log.schema_registry_url, &kafka.events_topic),
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
    let settings = Settings::from(args);
    // A range is as old as it may be before it is archived, and nothing is wrong.
    let ready_lag = args.ready_lag + settings.range_age;
    let retention = Arc::new(Retention::connect(&kafka)?);
    let archiving =
        Archiving { archive, identity, settings, codec: Arc::new(codec), schemas: Arc::default(), retention };
    let topic = Topic { kafka, group_prefix: args.group_prefix.clone(), ready_lag };
    Ok(Running::start(archiving, topic, &Versions::default(), health, supervisor)?)
}

impl Follows for Archiving {
    type Reads = Shared;

    const FIRST: Names = NAMES;

    async fn versions(&self) -> Result<Versions, StoreFailure> {
        Ok(Versions::default())
    }

    async fn prepare(&self, _: u32) -> Result<(), StoreFailure> {
        Ok(())
    }

    fn reads(&self, _: u32, log: KafkaLog, status: Status) -> Shared {
        let Self { archive, identity, settings, codec, schemas, retention } = self;
        Shared {
            archive: archive.clone(),
            identity: identity.clone(),
            settings: *settings,
            codec: codec.clone(),
            schemas: schemas.clone(),
            log,
            retention: retention.clone(),
            status,
        }
    }
}

impl Reads for Shared {
    fn names(&self) -> Names {
        NAMES
    }

    async fn read(self: Arc<Self>, assigned: AssignedPartition) {
        let partition = assigned.partition();
        Worker::new(self, partition).run(assigned).await;
    }

    /// What is archived is not looked into, so nothing of it waits for anybody.
    async fn parked(&self, _: u32) -> Result<Vec<Parked>, StoreFailure> {
        Ok(Vec::new())
    }

    /// Each range names the one before it.
    async fn stored(&self, _: u32) -> Result<Option<u64>, StoreFailure> {
        Ok(None)
    }

    async fn settled(&self) {}
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
