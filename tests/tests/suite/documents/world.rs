//! What the tests share: servers, and a log and a database for each test.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use event_log::kafka::{KafkaConfig, KafkaLog, LogIdentity, provision, read_all};
use event_schema::codec::{Codec, RegistryConfig};
use groot_tests::waiting::until;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection, Database};
use projectors::documents::Documents as Projected;
use projectors::documents::connect::{connect, prepare};
use projectors::documents::fold::{self, Documents, differences};
use projectors::documents::read;
use projectors::documents::write::Store;
use projectors::event::LoggedEvent;
use projectors::runner::decode;
use projectors::runner::status::State;
use projectors::{Running, Source, StoreAddress};
use read_model::{Checkpoint, DOCUMENTS, ensure_indexes};
use service::health::Health;
use service::supervise::Supervisor;
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use xtask::server::Service;
use xtask::stack::{Options, Stack};

/// How long anything that must happen may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(90);

/// Written to by the tests that take a server away, read by all others.
pub static UP: RwLock<()> = RwLock::const_new(());

pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let services = [Service::Kafka, Service::Registry, Service::Mongodb];
        Stack::start("documents", &Options::for_test(&services)).unwrap()
    })
}

/// Waits for something that comes by itself.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// A database of its own for one test. Dropped at the end by [`Db::drop_it`]; the servers go with the test binary anyway.
pub struct Db {
    pub database: Database,
    _up: Option<RwLockReadGuard<'static, ()>>,
}

impl Db {
    pub async fn new() -> Self {
        let up = UP.read().await;
        Self { _up: Some(up), ..Self::alone().await }
    }

    /// For a test that holds [`UP`] itself.
    pub async fn alone() -> Self {
        tokio::task::spawn_blocking(stack).await.unwrap();
        let client = client().await;
        // A transaction of a killed writer holds its documents for this long; the server's own default is a minute.
        client
            .database("admin")
            .run_command(doc! { "setParameter": 1, "transactionLifetimeLimitSeconds": 5 })
            .await
            .unwrap();
        let database = client.database(&format!("documents_{}", Uuid::now_v7().simple()));
        ensure_indexes(&database, DOCUMENTS).await.unwrap();
        Self { database, _up: None }
    }

    pub fn store(&self, log_id: u64) -> Store {
        Store::new(self.database.clone(), DOCUMENTS, log_id)
    }

    pub async fn documents(&self) -> Documents {
        read::read_all(&self.database, DOCUMENTS).await.unwrap()
    }

    pub fn checkpoints(&self) -> Collection<Checkpoint> {
        self.database.collection(DOCUMENTS.checkpoints())
    }

    pub fn posts(&self) -> Collection<Document> {
        self.database.collection(&DOCUMENTS.posts())
    }

    /// Empties every collection of the projection, the checkpoints too.
    pub async fn forget_everything(&self) {
        for collection in self.database.list_collection_names().await.unwrap() {
            self.database.collection::<Document>(&collection).delete_many(doc! {}).await.unwrap();
        }
    }

    pub async fn forget_checkpoints(&self) {
        self.checkpoints().delete_many(doc! {}).await.unwrap();
    }

    pub async fn assert_is_fold_of(&self, events: &[LoggedEvent]) {
        let found = differences(&self.documents().await, &fold::expected(events));
        assert!(found.is_empty(), "{}", found.iter().map(|d| format!("{d}\n")).collect::<String>());
    }

    pub async fn drop_it(self) {
        self.database.drop().await.unwrap();
    }
}

pub async fn client() -> Client {
    connect(&stack().addresses().mongodb_uri).await.unwrap()
}

/// A log of its own for one test, beside its database.
pub struct World {
    pub db: Db,
    pub identity: LogIdentity,
    /// For writers. A partition is read once at a time through it, so that others have one of their own.
    pub log: KafkaLog,
    pub codec: Codec,
    pub source: Source,
}

impl World {
    pub async fn new(partitions: u32) -> Self {
        Self::around(Db::new().await, partitions).await
    }

    pub async fn around(db: Db, partitions: u32) -> Self {
        let addresses = stack().addresses();
        let name = Uuid::now_v7().simple();
        let kafka = KafkaConfig {
            client_id: format!("test-{name}"),
            events_topic: format!("events-{name}"),
            owners_topic: format!("owners-{name}"),
            log_topic: format!("log-{name}"),
            partitions,
            ..KafkaConfig::local(addresses.kafka_brokers.clone())
        };
        let identity = provision(&kafka).await.unwrap();
        let registry = RegistryConfig { url: addresses.schema_registry_url.clone(), topic: kafka.events_topic.clone() };
        let codec = Codec::connect(registry).await.unwrap();
        let log = KafkaLog::connect(&kafka).unwrap();
        let source = Source {
            kafka: kafka.clone(),
            schema_registry_url: addresses.schema_registry_url.clone(),
            group_prefix: format!("group-{name}"),
            ready_lag: Duration::from_secs(30),
            parked_limit: 2,
        };
        Self { db, identity, log, codec, source }
    }

    /// Every event of the log that counts, as a reader of its own finds them.
    pub async fn events(&self) -> Vec<LoggedEvent> {
        let log = KafkaLog::connect(&self.source.kafka).unwrap();
        let mut commits = Vec::new();
        soon("the end of the log", read_all(&log, |_, delivery| commits.extend(delivery.commits))).await.unwrap();
        log.close().await;
        decode::events(&self.codec, &commits).await.unwrap()
    }

    /// Waits until the store has everything that is in the log now, then compares it with a fold of the log.
    pub async fn assert_catches_up(&self) {
        self.has_read_everything().await;
        self.db.assert_is_fold_of(&self.events().await).await;
    }

    /// Waits until the store is at the ends that the partitions have now.
    pub async fn has_read_everything(&self) {
        let ends = self.log.end_offsets().await.unwrap();
        let store = self.db.store(self.identity.log_id);
        until("the store to catch up", async || {
            for (partition, end) in (0..).zip(&ends) {
                if store.load(partition).await.unwrap().position.next_offset < *end {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    pub async fn start(&self) -> Process {
        let supervisor = Supervisor::new(CancellationToken::new());
        let health = Health::new();
        let store = StoreAddress { name: "MongoDB", url: &stack().addresses().mongodb_uri };
        let connect = async || prepare(store.url, self.db.database.name()).await;
        let projection = Projected::in_database;
        let running = projectors::start(&self.source, store, connect, projection, &health, &supervisor).await.unwrap();
        Process { running, supervisor, health }
    }
}

/// A projector as a process would run it.
pub struct Process {
    pub running: Running<Projected>,
    supervisor: Supervisor,
    health: Health,
}

impl Process {
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

    /// The reason that `/ready` gives, or none if it is ready.
    pub async fn unready_because(&self) -> Option<String> {
        self.health.readiness().await.checks["documents"].reason.clone()
    }
}
