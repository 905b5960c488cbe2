//! A log for one test, and events in it: what every projection is tested with.

pub mod histories;
pub mod writer;

use std::future::Future;
use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaLog, LogIdentity, provision, read_all};
use event_log::position::Position;
use event_schema::codec::{Codec, RegistryConfig};
use groot_tests::waiting::until;
use projectors::Source;
use projectors::event::LoggedEvent;
use projectors::projection::{Projection, StoreFailure};
use projectors::runner::decode;
use projectors::runner::status::State;
use projectors::{Running, StartError};
use service::health::Health;
use service::supervise::Supervisor;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use xtask::stack::Stack;

/// How long anything that must happen may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits for something that comes by itself.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// A log of its own for one test.
pub struct Ledger {
    pub identity: LogIdentity,
    /// For writers. A partition is read once at a time through it, so that others have one of their own.
    pub log: KafkaLog,
    pub codec: Codec,
    pub source: Source,
}

impl Ledger {
    pub async fn new(stack: &Stack, partitions: u32) -> Self {
        let addresses = stack.addresses();
        let name = Uuid::now_v7().simple();
        let kafka = KafkaConfig {
            client_id: format!("test-{name}"),
            events_topic: format!("events-{name}"),
            owners_topic: format!("owners-{name}"),
            log_topic: format!("log-{name}"),
            activity_topic: format!("activity-{name}"),
            partitions,
            ..KafkaConfig::local(addresses.kafka_brokers.clone())
        };
        let identity = provision(&kafka).await.unwrap();
        let registry = RegistryConfig { url: addresses.schema_registry_url.clone(), topic: kafka.events_topic.clone() };
        let codec = Codec::connect(registry).await.unwrap();
        let log = KafkaLog::connect(&kafka).unwrap();
        let source = Source {
            kafka,
            schema_registry_url: addresses.schema_registry_url.clone(),
            group_prefix: format!("group-{name}"),
            ready_lag: Duration::from_secs(30),
            parked_limit: 2,
        };
        Self { identity, log, codec, source }
    }

    /// Every event of the log that counts, as a reader of its own finds them.
    pub async fn events(&self) -> Vec<LoggedEvent> {
        let log = KafkaLog::connect(&self.source.kafka).unwrap();
        let mut commits = Vec::new();
        soon("the end of the log", read_all(&log, |_, delivery| commits.extend(delivery.commits))).await.unwrap();
        log.close().await;
        decode::events(&self.codec, &commits).await.unwrap()
    }

    /// Waits until a projection is at the ends that the partitions have now.
    pub async fn has_been_read_by(&self, projection: &impl Projection) {
        let ends = self.log.end_offsets().await.unwrap();
        until("the store to catch up", async || {
            for (partition, end) in (0..).zip(&ends) {
                match projection.load(partition).await {
                    Ok(saved) if saved.position.next_offset >= *end => {}
                    Ok(_) | Err(StoreFailure::Unavailable(_) | StoreFailure::Lost(_)) => return None,
                    Err(failure) => panic!("{failure}"),
                }
            }
            Some(())
        })
        .await;
    }
}

/// A projector as a process would run it.
pub struct Process {
    pub running: Running,
    supervisor: Supervisor,
    health: Health,
}

impl Process {
    pub async fn start(start: impl AsyncFnOnce(&Health, &Supervisor) -> Result<Running, StartError>) -> Self {
        let supervisor = Supervisor::new(CancellationToken::new());
        let health = Health::new();
        let running = start(&health, &supervisor).await.unwrap();
        Self { running, supervisor, health }
    }

    /// As SIGTERM would.
    pub async fn stop(self) {
        self.supervisor.token().cancel();
        soon("the tasks to finish", self.supervisor.finished()).await.unwrap();
        self.running.close().await;
    }

    /// Waits until a partition is in a state like this.
    pub async fn until(&self, what: &str, is: impl Fn(u32, &State) -> bool) {
        let states = || self.running.status().states();
        until(what, async || states().iter().any(|(partition, state)| is(*partition, state)).then_some(())).await;
    }

    /// Waits until `/ready` says so: a position is in the store a moment before whoever wrote it knows.
    pub async fn becomes_ready(&self) {
        until("the process to be ready", async || self.unready_because().await.is_none().then_some(())).await;
    }

    /// The reason that `/ready` gives, or none if it is ready.
    pub async fn unready_because(&self) -> Option<String> {
        self.health.readiness().await.checks.into_values().find_map(|check| check.reason)
    }
}

/// Positions that a store cannot be at in the log that is there, and what is said of them: as after all replicas have lost their end.
pub fn in_a_log_since_cut_back(at: Position) -> [(Position, &'static str); 2] {
    [
        // And written anew.
        (Position { last_record: Some(Uuid::now_v7()), ..at }, "was cut back"),
        // And not grown again.
        (Position { next_offset: 5_000, ..at }, "cannot be read"),
    ]
}
