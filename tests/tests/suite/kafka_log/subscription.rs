//! Readers of a group take partitions over where the others stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_log::kafka::{AssignedPartition, KafkaConfig, KafkaLog, MembershipConfig, Subscription};
use event_log::position::Position;
use tokio::sync::watch;
use uuid::Uuid;

use super::driver::{Driver, event};
use super::{log, soon};

/// What the readers store: commits and positions, changed together.
#[derive(Default)]
struct Store {
    commits: Vec<(u32, Uuid)>,
    positions: BTreeMap<u32, Position>,
    /// Which readers have read from which partition.
    readers: BTreeMap<u32, Vec<&'static str>>,
}

type Shared = Arc<(Mutex<Store>, watch::Sender<usize>)>;

async fn project(name: &'static str, assigned: AssignedPartition, store: Shared) {
    let partition = assigned.partition();
    let position = {
        let mut store = store.0.lock().unwrap();
        store.readers.entry(partition).or_default().push(name);
        store.positions.get(&partition).copied().unwrap_or(Position::START)
    };
    let mut stream = assigned.read_from(position).limits(2, 1024 * 1024);
    while let Some(delivery) = stream.next().await.unwrap() {
        let mut inner = store.0.lock().unwrap();
        inner.commits.extend(delivery.commits.iter().map(|commit| (partition, commit.id)));
        inner.positions.insert(partition, delivery.position);
        store.1.send_replace(inner.commits.len());
    }
}

fn start(name: &'static str, config: &KafkaConfig, store: &Shared) -> (Arc<Leave>, tokio::task::JoinHandle<()>) {
    let log = KafkaLog::connect(config).unwrap();
    let group = MembershipConfig::new(format!("{}.readers", config.client_id));
    let mut subscription = Subscription::start(config, group, log.clone()).unwrap();
    let leave = Arc::new(Leave(watch::channel(false).0));
    let (store, asked) = (store.clone(), leave.clone());
    let task = tokio::spawn(async move {
        let mut readers = Vec::new();
        let mut asked = asked.0.subscribe();
        loop {
            tokio::select! {
                assigned = subscription.next() => match assigned {
                    Some(assigned) => readers.push(tokio::spawn(project(name, assigned, store.clone()))),
                    None => break,
                },
                Ok(()) = asked.changed() => subscription.leave(),
            }
        }
        for reader in readers {
            reader.await.unwrap();
        }
        log.close().await;
    });
    (leave, task)
}

/// Asks a running subscription to leave.
struct Leave(watch::Sender<bool>);

#[tokio::test]
async fn readers_that_come_and_go_miss_nothing_and_deliver_nothing_twice() {
    let (config, log) = log(4).await;
    let store: Shared = Arc::new((Mutex::default(), watch::channel(0).0));
    let mut owners = Vec::new();
    for partition in 0..4 {
        owners.push(Driver::serving(&log, partition, "owner", 1).await);
    }
    let mut written = Vec::new();
    let mut seen = store.1.subscribe();

    let (leave_first, first) = start("first", &config, &store);
    write(&mut owners, &mut written, 10).await;
    soon("the first reader's share", seen.wait_for(|count| *count == 40)).await.unwrap();

    let (leave_second, second) = start("second", &config, &store);
    write(&mut owners, &mut written, 10).await;
    soon("the second reader at work", async {
        while !store.0.lock().unwrap().readers.values().flatten().any(|name| *name == "second") {
            write(&mut owners, &mut written, 1).await;
        }
    })
    .await;
    leave_first.0.send_replace(true);
    soon("the first to leave", first).await.unwrap();
    write(&mut owners, &mut written, 10).await;
    let all = written.len();
    soon("all commits", seen.wait_for(|count| *count >= all)).await.unwrap();
    leave_second.0.send_replace(true);
    soon("the second to leave", second).await.unwrap();

    {
        let store = store.0.lock().unwrap();
        for partition in 0..4 {
            let of = |commits: &[(u32, Uuid)]| -> Vec<Uuid> {
                commits.iter().filter(|(p, _)| *p == partition).map(|(_, id)| *id).collect()
            };
            assert_eq!(of(&store.commits), of(&written), "partition {partition}");
            assert_eq!(store.readers[&partition].last(), Some(&"second"), "partition {partition}");
        }
    }
    drop(owners);
    log.close().await;
}

async fn write(owners: &mut [Driver], written: &mut Vec<(u32, Uuid)>, commits: usize) {
    for _ in 0..commits {
        for (partition, owner) in (0..).zip(owners.iter_mut()) {
            let commit = Uuid::now_v7();
            owner.propose(commit, vec![event("one"), event("two")]);
            owner.until_released(commit).await;
            written.push((partition, commit));
        }
    }
}

#[tokio::test]
async fn a_revoked_partition_goes_to_another_only_when_its_reader_has_let_go() {
    let (config, log) = log(2).await;
    let group = || MembershipConfig::new(format!("{}.readers", config.client_id));
    let mut first = Subscription::start(&config, group(), log.clone()).unwrap();
    let one = soon("a partition", first.next()).await.unwrap();
    let other = soon("the other partition", first.next()).await.unwrap();

    let mut second = Subscription::start(&config, group(), log.clone()).unwrap();
    let called_back = async {
        tokio::select! {
            () = one.revoked() => {}
            () = other.revoked() => {}
        }
    };
    soon("a partition called back", called_back).await;
    let (called_back, kept) = if one.is_revoked() { (one, other) } else { (other, one) };
    assert!(!kept.is_revoked());
    // A hand-over that waited for nobody would take a second.
    let early = tokio::time::timeout(Duration::from_secs(3), second.next()).await;
    assert!(early.is_err(), "the first still reads it");

    let partition = called_back.partition();
    drop(called_back);
    assert_eq!(soon("the partition", second.next()).await.unwrap().partition(), partition);
    log.close().await;
}
