//! What the tests share: servers, and a log and a database for each test.

use std::ops::Deref;
use std::sync::OnceLock;

use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection, Database};
use projectors::StoreAddress;
use projectors::documents::Documents as Projected;
use projectors::documents::catalog::DocumentsCatalog;
use projectors::documents::connect::connect;
use projectors::documents::fold::{self, Documents, differences};
use projectors::documents::read;
use projectors::documents::write::Store;
use projectors::event::LoggedEvent;
use read_model::{Checkpoint, DOCUMENTS, ensure_indexes};
use tokio::sync::{RwLock, RwLockReadGuard};
use uuid::Uuid;
use xtask::server::Service;
use xtask::stack::{Options, Stack};

use crate::ledger::Ledger;

pub use crate::ledger::Process;

/// Written to by the tests that take a server away, read by all others.
pub static UP: RwLock<()> = RwLock::const_new(());

pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let services = [Service::Kafka, Service::Registry, Service::Mongodb];
        Stack::start("documents", &Options::for_test(&services)).unwrap()
    })
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
            .run_command(doc! { "setParameter": 1, "transactionLifetimeLimitSeconds": 2 })
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
    ledger: Ledger,
}

impl Deref for World {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl World {
    pub async fn new(partitions: u32) -> Self {
        Self::around(Db::new().await, partitions).await
    }

    pub async fn around(db: Db, partitions: u32) -> Self {
        Self { db, ledger: Ledger::new(stack(), partitions).await }
    }

    /// Waits until the store has everything that is in the log now, then compares it with a fold of the log.
    pub async fn assert_catches_up(&self) {
        self.has_read_everything().await;
        self.db.assert_is_fold_of(&self.events().await).await;
    }

    /// Waits until the store is at the ends that the partitions have now.
    pub async fn has_read_everything(&self) {
        let projection = Projected::new(self.db.store(self.identity.log_id));
        self.has_been_read_by(&projection).await;
    }

    pub async fn start(&self) -> Process {
        let store = StoreAddress { name: "MongoDB", url: &stack().addresses().mongodb_uri };
        let connect = async || DocumentsCatalog::connect(store.url, self.db.database.name()).await;
        Process::start(async |health, supervisor| {
            projectors::connected(&self.source, store, connect).await?.start(&self.source, health, supervisor)
        })
        .await
    }
}
