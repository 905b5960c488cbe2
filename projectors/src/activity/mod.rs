//! What clients tell of what people do, as rows beside those of the events.
//!
//! Nothing is decided by activity, so its topic has no epochs and no commits: every record is a row. Otherwise it is written as events are,
//! in batches with recorded bounds, by [`crate::analytics::write`]; it counts once in effect.
//!
//! - [`row`]: a record becomes a row, pure; [`fold`]: what a topic must lead to
//! - [`partition`]: reads a partition and writes it; [`copy`]: the same from the tables of another version

pub mod copy;
pub mod fold;
pub mod partition;
pub mod row;

use std::sync::Arc;

use event_log::kafka::{AssignedPartition, KafkaLog, check_activity};
use read_model::analytics::AnalyticsNames;
use read_model::{ANALYTICS, Projection as Names, Versions};
use service::health::Health;
use service::startup::connect_with_retries;
use service::supervise::Supervisor;

use crate::activity::partition::Worker;
use crate::analytics::catalog::AnalyticsCatalog;
use crate::analytics::write::Store;
use crate::catalog::Catalog;
use crate::dead_letter::Parked;
use crate::follow::{Follows, Running};
use crate::projection::StoreFailure;
use crate::runner::Reads;
use crate::runner::status::Status;
use crate::start::{Connected, Source, StartError};

/// What the partitions of one version share.
#[derive(Debug)]
pub struct Shared {
    store: Store,
    status: Status,
}

/// The topic of activity, into the versions of the tables.
pub(crate) struct Activity {
    catalog: AnalyticsCatalog,
    log_id: u64,
    topic: String,
}

/// Connects to Kafka, and starts to count into each version that is followed of the tables of events, which are there. Adds a check to
/// `health`; stops as [`Connected::start`] does.
pub async fn start(
    source: &Source,
    events: &Connected<AnalyticsCatalog>,
    health: &Health,
    supervisor: &Supervisor,
) -> Result<Running, StartError> {
    connect_with_retries("Kafka", &source.kafka.brokers, || check_activity(&source.kafka)).await?;
    let kafka = source.kafka.of_activity();
    let catalog = events.catalog.clone();
    let activity = Activity { catalog, log_id: events.log_id, topic: kafka.events_topic.clone() };
    Ok(Running::start(activity, source.topic(&kafka), &events.versions, health, supervisor)?)
}

impl Follows for Activity {
    type Reads = Shared;

    const FIRST: Names = AnalyticsNames::of(ANALYTICS).activity();

    fn versions(&self) -> impl Future<Output = Result<Versions, StoreFailure>> + Send {
        self.catalog.versions()
    }

    fn prepare(&self, version: u32) -> impl Future<Output = Result<(), StoreFailure>> + Send {
        self.catalog.prepare(version)
    }

    fn reads(&self, version: u32, _: KafkaLog, status: Status) -> Shared {
        Shared { store: self.catalog.store(version, self.log_id).of_activity(&self.topic), status }
    }
}

impl Reads for Shared {
    fn names(&self) -> Names {
        self.store.names.activity()
    }

    async fn read(self: Arc<Self>, assigned: AssignedPartition) {
        let partition = assigned.partition();
        Worker::new(self.store.clone(), self.status.clone(), partition).run(assigned).await;
    }

    /// Nothing is decided by activity, so none of it waits for anybody.
    async fn parked(&self, _: u32) -> Result<Vec<Parked>, StoreFailure> {
        Ok(Vec::new())
    }

    async fn stored(&self, partition: u32) -> Result<Option<u64>, StoreFailure> {
        Ok(Some(self.store.load(partition).await?.reaches()))
    }

    async fn settled(&self) {
        self.store.settled().await;
    }
}
