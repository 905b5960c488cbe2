//! What clients tell of what people do, as rows beside those of the events.
//!
//! Nothing is decided by activity, so its topic has no epochs and no commits: every record is a row. Otherwise it is written as events are,
//! in batches with recorded bounds, by [`crate::analytics::write`]; it counts once in effect.
//!
//! - [`row`]: a record becomes a row, pure; [`fold`]: what a topic must lead to
//! - [`partition`]: reads a partition and writes it

pub mod fold;
pub mod partition;
pub mod row;

use std::sync::Arc;

use event_log::kafka::{AssignedPartition, KafkaLog, MembershipConfig, Subscription, identify_activity};
use futures::future::FutureExt;
use read_model::analytics::Clickhouse;
use service::config::without_credentials;
use service::health::Health;
use service::startup::connect_with_retries;
use service::supervise::Supervisor;

use crate::activity::partition::Worker;
use crate::analytics::write::Store;
use crate::runner::Reads;
use crate::runner::status::Status;
use crate::start::{ProjectionReport, Reading, Reporter, Source, StartError, StoreAddress, run};

/// Names the group, the metrics' label and the readiness check.
pub const NAME: &str = "activity";

/// What the partitions share.
#[derive(Debug)]
pub struct Shared {
    store: Store,
    log: KafkaLog,
    status: Status,
}

/// The counting of activity, running under the supervisor that it was started with.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
}

/// Connects to Kafka and to ClickHouse, and starts to count. Adds a check to `health`; stops as [`crate::start`] does.
pub async fn start<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    source: &Source,
    store: StoreAddress<'_>,
    prepare: impl AsyncFnMut() -> Result<Clickhouse, E>,
    of: impl FnOnce(Clickhouse, u64) -> Store,
    health: &Health,
    supervisor: &Supervisor,
) -> Result<Running, StartError> {
    let address = without_credentials(store.url);
    let (identity, connected) = tokio::try_join!(
        connect_with_retries("Kafka", &source.kafka.brokers, || identify_activity(&source.kafka)),
        connect_with_retries(store.name, &address, prepare),
    )?;
    let kafka = source.kafka.of_activity();
    let log = KafkaLog::connect(&kafka)?;
    let group = MembershipConfig::new(format!("{}.{NAME}", source.group_prefix));
    let subscription = Subscription::start(&kafka, group, log.clone())?;
    let status = Status::new(NAME);
    let store = of(connected, identity.log_id).of_activity(&kafka.events_topic);
    let shared = Arc::new(Shared { store, log: log.clone(), status: status.clone() });
    let reading = Reading { status, log, subscription, ready_lag: source.ready_lag };
    run(shared.clone(), reading, health, supervisor);
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

    /// Lets the last write end and closes the connections. The supervisor's tasks must have finished.
    pub async fn close(self) {
        self.shared.store.settled().await;
        self.shared.log.clone().close().await;
    }
}

impl Reads for Shared {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn read(self: Arc<Self>, assigned: AssignedPartition) {
        let partition = assigned.partition();
        Worker::new(self.store.clone(), self.status.clone(), partition).run(assigned).await;
    }
}
