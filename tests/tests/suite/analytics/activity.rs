//! Activity comes from its topic into the tables, each record once, whatever befalls those who bring it.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_log::kafka::ActivityWriter;
use event_schema::activity::{ACTIVITY_TYPES, Activity, Origin};
use groot_tests::activity::records;
use groot_tests::waiting::until;
use projectors::Running;
use projectors::StoreAddress;
use projectors::activity::row::rows;
use projectors::activity::{self, fold};
use projectors::analytics::batch::Batch;
use projectors::analytics::catalog::AnalyticsCatalog;
use projectors::analytics::fold::{Analytics, differences};
use projectors::analytics::write::Store;
use projectors::projection::{Changes, Saved, StoreFailure};
use projectors::runner::status::State;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use service::health::Health;
use service::supervise::Supervisor;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::world::{Db, UP, World, stack};
use crate::ledger::soon;

/// What counts activity, as a process would run it.
struct Process {
    running: Running,
    supervisor: Supervisor,
}

impl Process {
    async fn start(world: &World) -> Self {
        let supervisor = Supervisor::new(CancellationToken::new());
        let address = &world.db.address;
        let store = StoreAddress { name: "ClickHouse", url: &address.url };
        let connect = async || AnalyticsCatalog::connect(address).await;
        let events = projectors::connected(&world.source, store, connect).await.unwrap();
        let running = activity::start(&world.source, &events, &Health::new(), &supervisor).await.unwrap();
        Self { running, supervisor }
    }

    async fn until(&self, what: &str, is: impl Fn(&State) -> bool) {
        until(what, async || self.running.status().states().values().any(&is).then_some(())).await;
    }

    async fn stop(self) {
        self.supervisor.token().cancel();
        soon("the tasks to finish", self.supervisor.finished()).await.unwrap();
        self.running.close().await;
    }
}

fn store(world: &World) -> Store {
    world.db.store(world.identity.log_id).of_activity(&world.source.kafka.activity_topic)
}

/// What some clients tell, of two months.
async fn tell(world: &World, count: u64) {
    let writer = ActivityWriter::connect(&world.source.kafka).unwrap();
    let now = chrono::Utc::now();
    let activity = |number: u64| Activity {
        activity_type: ACTIVITY_TYPES[number as usize % ACTIVITY_TYPES.len()].to_owned(),
        timestamp: now - chrono::TimeDelta::days(number as i64 % 40),
        post_id: (!number.is_multiple_of(3)).then(|| Uuid::from_u128(u128::from(number % 5))),
        session_id: (!number.is_multiple_of(4)).then(|| format!("session {}", number % 7)),
        properties: BTreeMap::from([("number".to_owned(), number.to_string())]),
        personal: Origin {
            user_id: (!number.is_multiple_of(2)).then(|| Uuid::from_u128(u128::from(number % 9))),
            ip_address: Some(if number.is_multiple_of(2) { "2001:db8::7" } else { "192.0.2.1" }.parse().unwrap()),
            country: (!number.is_multiple_of(3)).then(|| "DE".to_owned()),
            ..Origin::default()
        },
    };
    // One by one: together they would be one batch, in one partition.
    for number in 0..count {
        writer.append(&[activity(number).to_value()]).await.unwrap();
    }
}

/// Waits until the tables have everything that the topic holds now, then compares them with a fold of that.
async fn assert_catches_up(world: &World) {
    let told = records(&world.source.kafka).await;
    let ends: BTreeMap<u32, u64> = told.iter().map(|record| (record.partition, record.offset + 1)).collect();
    until("the tables to catch up", async || {
        for (partition, end) in &ends {
            match store(world).load(*partition).await {
                Ok(saved) if saved.position.next_offset >= *end => {}
                Ok(_) | Err(StoreFailure::Unavailable(_)) => return None,
                Err(failure) => panic!("{failure}"),
            }
        }
        Some(())
    })
    .await;
    let mut wanted = Analytics::default();
    fold::add(&mut wanted, &told);
    let found = differences(&world.db.everything().await, &wanted);
    assert!(found.is_empty(), "{}", found.iter().map(|d| format!("{d}\n")).collect::<String>());
}

/// Gives up all records of a partition before an offset, as the topic does with those of a week ago.
async fn expire(world: &World, partition: i32, before: i64) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &world.source.kafka.brokers).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&world.source.kafka.activity_topic, partition, Offset::Offset(before)).unwrap();
    admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_equal_a_fold_of_the_topic_while_those_who_count_come_and_go() {
    let world = World::new(3).await;
    tell(&world, 40).await;
    let one = Process::start(&world).await;
    let other = Process::start(&world).await;
    other.until("a share of the partitions", |state| *state == State::Running).await;
    tell(&world, 40).await;
    assert_catches_up(&world).await;
    one.stop().await;
    tell(&world, 40).await;
    assert_catches_up(&world).await;
    other.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_cut_off_anywhere_is_redone_with_its_bounds() {
    for done in 0..=2 {
        let world = World::new(1).await;
        tell(&world, 60).await;
        let told = records(&world.source.kafka).await;
        let batch = Batch { events: rows(&told[..50]).rows, ..Batch::default() };
        let to = event_log::position::Position { next_offset: 50, ..event_log::position::Position::START };
        let (dying, changes) = (store(&world), Changes::from(Arc::new(batch)));
        dying.begin(0, Saved::NOTHING, to).await.unwrap();
        let inserts = dying.inserts(0, &changes, Saved::NOTHING, to);
        assert!(inserts.len() >= 2, "of two months");
        for insert in inserts.iter().take(done) {
            dying.insert(insert).await.unwrap();
        }
        let process = Process::start(&world).await;
        assert_catches_up(&world).await;
        // What the dead one still had on its way.
        for insert in &inserts {
            dying.insert(insert).await.unwrap();
        }
        dying.finish(0, Saved::NOTHING, to, false).await.unwrap();
        assert_catches_up(&world).await;
        process.stop().await;
        world.db.drop_it().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_passed_over_also_in_a_batch_that_was_begun() {
    let world = World::new(1).await;
    tell(&world, 30).await;
    let to = event_log::position::Position { next_offset: 20, ..event_log::position::Position::START };
    store(&world).begin(0, Saved::NOTHING, to).await.unwrap();
    expire(&world, 0, 12).await;
    let process = Process::start(&world).await;
    assert_catches_up(&world).await;
    assert_eq!(world.db.number("SELECT count() AS number FROM events_analytics").await, 18);
    process.stop().await;

    tell(&world, 30).await;
    expire(&world, 0, 45).await;
    let process = Process::start(&world).await;
    let is_done = async || (store(&world).load(0).await.unwrap().position.next_offset == 60).then_some(());
    until("the last one", is_done).await;
    assert_eq!(world.db.number("SELECT count() AS number FROM events_analytics").await, 18 + 15);
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_anew_halts() {
    let world = World::new(1).await;
    tell(&world, 3).await;
    let beyond = event_log::position::Position { next_offset: 7, ..event_log::position::Position::START };
    store(&world).begin(0, Saved::NOTHING, beyond).await.unwrap();
    store(&world).finish(0, Saved::NOTHING, beyond, false).await.unwrap();
    let process = Process::start(&world).await;
    let is_halted = |state: &State| matches!(state, State::Halted(why) if why.contains("made anew"));
    process.until("the partition to halt", is_halted).await;
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_activity_is_passed_over() {
    let world = World::new(1).await;
    let writer = ActivityWriter::connect(&world.source.kafka).unwrap();
    writer.append(&[b"{".to_vec(), b"7".to_vec()]).await.unwrap();
    let process = Process::start(&world).await;
    tell(&world, 5).await;
    assert_catches_up(&world).await;
    assert_eq!(world.db.number("SELECT count() AS number FROM events_analytics").await, 5);
    process.stop().await;
    world.db.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_middle_of_batches_loses_nothing_and_counts_nothing_twice() {
    let _alone = UP.write().await;
    let world = World::around(Db::alone().await, 2).await;
    let process = Process::start(&world).await;
    for _ in 0..3 {
        tell(&world, 20).await;
        tokio::task::spawn_blocking(|| stack().kill("clickhouse").unwrap()).await.unwrap();
        tell(&world, 10).await;
        tokio::task::spawn_blocking(|| stack().restart("clickhouse").unwrap()).await.unwrap();
    }
    assert_catches_up(&world).await;
    process.stop().await;
    world.db.drop_it().await;
}
