//! What the tests share: servers, and a log and indexes for each test.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::OnceLock;

use event_log::position::Position;
use projectors::StoreAddress;
use projectors::catalog::Catalog;
use projectors::documents::fold as documents;
use projectors::event::LoggedEvent;
use projectors::projection::{Changes, Saved, StoreFailure};
use projectors::search::Search;
use projectors::search::batch::Batch;
use projectors::search::catalog::SearchCatalog;
use projectors::search::connect;
use projectors::search::fold::expected;
use projectors::search::read::read_all;
use projectors::search::write::Store;
use read_model::search::{Elasticsearch, SearchNames, SearchPost};
use read_model::versions::FIRST;
use std::sync::Arc;
use tokio::sync::{RwLock, RwLockReadGuard};
use uuid::Uuid;
use xtask::server::Service;
use xtask::stack::{Options, Stack};

use crate::ledger::{Ledger, soon};

pub use crate::ledger::Process;

/// Written to by the tests that take the server away, read by all others.
pub static UP: RwLock<()> = RwLock::const_new(());

pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let services = [Service::Kafka, Service::Registry, Service::Elasticsearch];
        Stack::start("search", &Options::for_test(&services)).unwrap()
    })
}

/// Indexes of its own for one test. Removed at the end by [`Indexes::drop_them`]; the servers go with the test binary anyway.
pub struct Indexes {
    pub elasticsearch: Elasticsearch,
    pub names: SearchNames,
    prefix: String,
    _up: Option<RwLockReadGuard<'static, ()>>,
}

impl Indexes {
    pub async fn new() -> Self {
        let up = UP.read().await;
        Self { _up: Some(up), ..Self::alone().await }
    }

    /// For a test that holds [`UP`] itself.
    pub async fn alone() -> Self {
        tokio::task::spawn_blocking(stack).await.unwrap();
        let prefix = format!("test-{}", Uuid::now_v7().simple());
        let names = SearchNames::new(&prefix);
        let elasticsearch = connect(&stack().addresses().elasticsearch_url).await.unwrap();
        SearchCatalog::new(elasticsearch.clone(), &prefix).prepare(FIRST).await.unwrap();
        Self { elasticsearch, names, prefix, _up: None }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn store(&self, log_id: u64) -> Store {
        Store::new(self.elasticsearch.clone(), self.names.clone(), log_id)
    }

    pub async fn posts(&self) -> BTreeMap<Uuid, SearchPost> {
        read_all(&self.elasticsearch, &self.names).await.unwrap()
    }

    /// Writes the events as one batch, from where the store is.
    pub async fn write(&self, log_id: u64, events: &[LoggedEvent]) -> Result<Saved, StoreFailure> {
        let store = self.store(log_id);
        let from = store.load(0).await?;
        let next = events.last().map_or(from.position.next_offset, |last| last.offset + 1);
        store.write(0, changes(events), from, position(next)).await
    }

    pub async fn forget_checkpoints(&self) {
        self.elasticsearch.delete(&self.names.checkpoints()).await.unwrap();
        read_model::search::ensure(&self.elasticsearch, &self.names).await.unwrap();
    }

    pub async fn assert_are_fold_of(&self, events: &[LoggedEvent]) {
        let (stored, wanted) = (self.posts().await, fold(events));
        for (id, wanted) in &wanted {
            assert_eq!(stored.get(id), Some(wanted));
        }
        let unexpected: Vec<_> = stored.keys().filter(|id| !wanted.contains_key(id)).collect();
        assert!(unexpected.is_empty(), "no event leads to {unexpected:?}");
    }

    pub async fn drop_them(self) {
        self.delete().await;
    }

    /// Leaves them there, empty.
    pub async fn lose_them(&self) {
        self.delete().await;
        read_model::search::ensure(&self.elasticsearch, &self.names).await.unwrap();
    }

    async fn delete(&self) {
        for index in self.names.indexes() {
            self.elasticsearch.delete(&index).await.unwrap();
        }
    }
}

/// What a fold of its own makes of the events.
pub fn fold(events: &[LoggedEvent]) -> BTreeMap<Uuid, SearchPost> {
    documents::expected(events).posts.values().map(|post| (post.id, expected(post))).collect()
}

pub fn changes(events: &[LoggedEvent]) -> Changes<Batch> {
    Changes::from(Arc::new(Batch::of(events).unwrap()))
}

pub fn position(next_offset: u64) -> Position {
    Position { next_offset, last_record: Some(Uuid::from_u128(next_offset.into())), ..Position::START }
}

/// A log of its own for one test, beside its indexes.
pub struct World {
    pub indexes: Indexes,
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
        Self::around(Indexes::new().await, partitions).await
    }

    pub async fn around(indexes: Indexes, partitions: u32) -> Self {
        Self { indexes, ledger: Ledger::new(stack(), partitions).await }
    }

    /// Waits until the store has everything that is in the log now, then compares it with a fold of the log.
    pub async fn assert_catches_up(&self) {
        self.has_read_everything().await;
        self.indexes.assert_are_fold_of(&self.events().await).await;
    }

    pub async fn has_read_everything(&self) {
        let projection = Search::new(self.indexes.store(self.identity.log_id));
        soon("the index to catch up", self.has_been_read_by(&projection)).await;
    }

    pub async fn start(&self) -> Process {
        let store = StoreAddress { name: "Elasticsearch", url: &stack().addresses().elasticsearch_url };
        let connect = async || SearchCatalog::connect(store.url, &self.indexes.prefix).await;
        Process::start(async |health, supervisor| {
            projectors::connected(&self.source, store, connect).await?.start(&self.source, health, supervisor)
        })
        .await
    }
}
