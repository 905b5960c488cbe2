//! What the tests share: servers, and a log and a database for each test.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Duration, Utc};
use clickhouse::Row;
use event_log::position::Position;
use event_schema::meta::ActorRef;
use projectors::StoreAddress;
use projectors::analytics::batch::Batch;
use projectors::analytics::catalog::AnalyticsCatalog;
use projectors::analytics::fold::{Analytics as Everything, differences, expected};
use projectors::analytics::read::read_all;
use projectors::analytics::write::Store;
use projectors::analytics::{Analytics, connect};
use projectors::catalog::Catalog;
use projectors::event::LoggedEvent;
use projectors::projection::{Changes, Saved, StoreFailure};
use read_model::ANALYTICS;
use read_model::analytics::{AnalyticsNames, Clickhouse, ClickhouseAddress};
use read_model::versions::FIRST;
use serde::Deserialize;
use tokio::sync::{RwLock, RwLockReadGuard};
use uuid::Uuid;
use xtask::server::Service;
use xtask::stack::{Options, Stack};

use crate::ledger::histories::{Happened, Story};
use crate::ledger::{Ledger, soon};

pub use crate::ledger::Process;

pub const NAMES: AnalyticsNames = AnalyticsNames::of(ANALYTICS);

/// Written to by the tests that take the server away, read by all others.
pub static UP: RwLock<()> = RwLock::const_new(());

pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let services = [Service::Kafka, Service::Registry, Service::Clickhouse];
        Stack::start("analytics", &Options::for_test(&services)).unwrap()
    })
}

/// Connects, and creates what is missing of the tables.
pub async fn prepare(address: &ClickhouseAddress) -> Result<Clickhouse, StoreFailure> {
    let clickhouse = connect(address).await?;
    AnalyticsCatalog::new(clickhouse.clone()).prepare(FIRST).await?;
    Ok(clickhouse)
}

/// A database of its own for one test. Removed at the end by [`Db::drop_it`]; the servers go with the test binary anyway.
pub struct Db {
    pub clickhouse: Clickhouse,
    pub address: ClickhouseAddress,
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
        let address = ClickhouseAddress {
            url: stack().addresses().clickhouse_url.clone(),
            database: format!("test_{}", Uuid::now_v7().simple()),
            user: String::new(),
            password: String::new(),
        };
        let clickhouse = prepare(&address).await.unwrap();
        Self { clickhouse, address, _up: None }
    }

    pub fn store(&self, log_id: u64) -> Store {
        Store::new(self.clickhouse.clone(), NAMES, log_id)
    }

    /// Writes the events as one batch, from where the store is.
    pub async fn write(&self, log_id: u64, events: &[LoggedEvent]) -> Result<Saved, StoreFailure> {
        let store = self.store(log_id);
        let from = store.load(0).await?;
        let next = events.last().map_or(from.position.next_offset, |last| last.offset + 1);
        store.write(0, changes(events), from, position(next)).await
    }

    pub async fn everything(&self) -> Everything {
        read_all(&self.clickhouse).await.unwrap()
    }

    pub async fn assert_is_fold_of(&self, events: &[LoggedEvent]) {
        let found = differences(&self.everything().await, &expected(events));
        assert!(found.is_empty(), "{}", found.iter().map(|d| format!("{d}\n")).collect::<String>());
    }

    /// What a question for one number is answered.
    pub async fn number(&self, question: &str) -> u64 {
        #[derive(Row, Deserialize)]
        struct Number {
            number: u64,
        }
        self.clickhouse.rows::<Number>(self.clickhouse.query(question)).await.unwrap()[0].number
    }

    pub async fn drop_it(self) {
        self.clickhouse.drop_database().await.unwrap();
    }
}

pub fn changes(events: &[LoggedEvent]) -> Changes<Batch> {
    Changes::from(Arc::new(Batch::of(events).unwrap()))
}

pub fn position(next_offset: u64) -> Position {
    Position { next_offset, last_record: Some(Uuid::from_u128(next_offset.into())), ..Position::START }
}

/// Events of a story, told as of the last 40 days: rows are kept for 90. Some are of people.
pub fn take(story: &mut Story, count: usize) -> Vec<Happened> {
    static BEGIN: OnceLock<DateTime<Utc>> = OnceLock::new();
    let begin = *BEGIN.get_or_init(|| Utc::now() - Duration::days(40));
    let told: DateTime<Utc> = DateTime::from_timestamp_millis(1_750_000_000_123).unwrap();
    let mut happened = story.take(count);
    for Happened { meta, .. } in &mut happened {
        let millis = ((meta.time - told).num_milliseconds() * 3_000).min(Duration::days(39).num_milliseconds());
        meta.time = DateTime::from_timestamp_millis(begin.timestamp_millis() + millis).unwrap();
        if meta.version % 2 == 1 {
            meta.actor = ActorRef::Person(Uuid::from_u128(u128::from(meta.version % 3 + 1)).into());
        }
    }
    happened
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

    pub async fn has_read_everything(&self) {
        let projection = Analytics::new(self.db.store(self.identity.log_id));
        soon("the tables to catch up", self.has_been_read_by(&projection)).await;
    }

    pub async fn start(&self) -> Process {
        let address = &self.db.address;
        let store = StoreAddress { name: "ClickHouse", url: &address.url };
        let connect = async || AnalyticsCatalog::connect(address).await;
        Process::start(async |health, supervisor| {
            projectors::connected(&self.source, store, connect).await?.start(&self.source, health, supervisor)
        })
        .await
    }
}
