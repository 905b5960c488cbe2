//! A hard stop of all brokers after which every replica lacks its end: whoever had read it and remembers halts, and nobody skips.

use std::fs::{self, File};
use std::path::PathBuf;

use event_log::kafka::{KafkaConfig, KafkaLog};
use event_log::owner::Told;
use event_log::reader::{Halt, Skip};
use groot_tests::client::Client;
use groot_tests::faults::links::{Links, Stream};
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use projectors::documents::write::Store;
use read_model::DOCUMENTS;
use serde_json::{Value, json};
use service::token::PositionToken;
use tokio::task::block_in_place;
use uuid::Uuid;
use xtask::stack::Stack;
use xtask::token::Role;

use crate::kafka_log::driver::{Driver, commits, event};

/// The files in which the three replicas of a partition keep its records.
fn replicas(stack: &Stack, topic: &str, partition: u32) -> Vec<PathBuf> {
    let file = format!("log/{topic}-{partition}/00000000000000000000.log");
    (1..=3).map(|broker| stack.paths().data(&format!("kafka-{broker}")).join(&file)).collect()
}

/// Kills all brokers at once, cuts every replica back to the same length, and starts them again.
fn cut(stack: &Stack, replicas: &[PathBuf], keep: impl Fn(&[u8]) -> u64) {
    stack.kill("kafka").unwrap();
    let shortest = replicas.iter().map(|file| fs::read(file).unwrap()).min_by_key(Vec::len).unwrap();
    for replica in replicas {
        File::options().write(true).open(replica).unwrap().set_len(keep(&shortest)).unwrap();
    }
    stack.restart("kafka").unwrap();
}

/// How many bytes the batches before the one with this offset take: each begins with its first offset and its length.
fn bytes_before(offset: u64, file: &[u8]) -> u64 {
    let mut place = 0;
    while let Some(head) = file.get(place..place + 12) {
        if u64::from_be_bytes(head[..8].try_into().unwrap()) >= offset {
            break;
        }
        place += 12 + u32::from_be_bytes(head[8..].try_into().unwrap()) as usize;
    }
    place as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn after_every_replica_lost_its_last_kilobytes_every_store_halts_and_none_skips() {
    let (_alone, stack) = super::alone().await;
    let system = System::laid_out(stack, "cut-back").start().await;
    let author = system.caller(Role::Author);
    let create = async |key: &str| {
        let body = json!({ "type": "note", "title": key, "content": "It *travels*." });
        system.create(&author, key, &body).await
    };
    let position_of = |text: &str| text.parse::<PositionToken>().unwrap();
    let mut written = vec![0; system.kafka.partitions as usize];
    let mut last = None;
    for number in 0.. {
        let created = create(&format!("before {number}")).await.expect(201);
        let position = position_of(created.position());
        written[position.partition as usize] += 1;
        if written[position.partition as usize] == 8 {
            last = Some((created, position));
            break;
        }
    }
    let (last, position) = last.unwrap();
    let partition = position.partition;
    system.assert_stores_are_the_fold_of_the_log().await;
    let store = Store::new(system.database.clone(), DOCUMENTS, system.identity.log_id);
    let stored = store.load(partition).await.unwrap();
    assert!(stored.position.is_past(position.offset));

    let files = replicas(stack, &system.kafka.events_topic, partition);
    block_in_place(|| cut(stack, &files, |file| file.len() as u64 - 2048));

    // Each is told that the log ends before where it had read to, whether it was connected throughout or comes back with what it
    // has stored.
    until("the owner to halt", async || (system.commands.standing(partition).await["phase"] == "halted").then_some(()))
        .await;
    let halted = async || readiness_names(&system.projectors.admin, partition).await.then_some(());
    until("the projector to halt", halted).await;
    let other = until("a post in another partition", async || {
        let answer = create(&Uuid::now_v7().to_string()).await;
        (answer.status == 201 && position_of(answer.position()).partition != partition).then_some(answer)
    })
    .await;
    system.read_at(other.position(), &format!("{POSTS}/{}", other.id()), Some(&author)).await.expect(200);
    let post = format!("{POSTS}/{}", last.id());
    system.read(&post, Some(&author)).await.expect(200);

    // An instance on another machine remembers nothing of what was lost: it goes on from what there is, past the former end.
    system.commands.kill();
    let fresh = system.another_command_api("fresh").await;
    until("the log to be longer than it was", async || {
        let body = json!({ "type": "note", "title": "after", "content": "It *travels*." });
        system.command_to(&fresh, "POST", POSTS, &author, &[], Some(&body)).await;
        let ends = system.ends().await;
        (ends[partition as usize] > stored.position.next_offset + 3).then_some(())
    })
    .await;
    assert!(readiness_names(&system.projectors.admin, partition).await, "it stays halted");
    system.projectors.kill();
    system.projectors.restart();
    until("the projector to halt again", halted).await;
    assert_eq!(store.load(partition).await.unwrap(), stored, "nothing was read over");
    assert!(system.projectors.is_alive() && system.queries.is_alive());
    drop(fresh);
    system.end().await;
}

/// Whether a program is not ready because this partition is halted.
async fn readiness_names(admin: &str, partition: u32) -> bool {
    let Ok(answer) = Client::default().request("GET", &format!("{admin}/ready")).send().await else { return false };
    let page: Value = answer.json().await.unwrap();
    page.to_string().contains(&format!("partition {partition} is halted"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_read_what_was_lost_halts_and_events_of_the_lost_claim_do_not_count_under_one_at_its_offset() {
    const WAY: usize = 0;
    let (_alone, stack) = super::alone().await;
    let config = super::log_of_its_own(stack).await;
    let files = replicas(stack, &config.events_topic, 0);
    let direct = KafkaLog::connect(&config).unwrap();
    let log = KafkaLog::connect(&KafkaConfig { brokers: stack.addresses().ways[WAY].clone(), ..config }).unwrap();
    let links = Links::of_way(stack, WAY);

    let mut first = Driver::serving(&direct, 0, "first", 1).await;
    let [kept, late, after] = [(); 3].map(|()| Uuid::now_v7());
    first.propose(kept, vec![event("kept")]);
    first.until_released(kept).await;
    // The second claims, and what it writes is held back; from then on it is looked after no more, as if it were stopped.
    let mut second = Driver::serving(&log, 0, "second", 2).await;
    let claim = second.owner.serving().unwrap();
    first.until("the deposition", |told| matches!(told, Told::Deposed(_))).await;
    links.hold(Stream::ToBrokers).await;
    second.propose(late, vec![event("late")]);

    block_in_place(|| cut(stack, &files, |file| bytes_before(claim.offset, file)));
    // Who has read what is lost is told so, though it was connected throughout, and halts.
    let told = first.until("the halt", |told| matches!(told, Told::Halted(_))).await;
    assert!(matches!(told.last(), Some(Told::Halted(Halt::OutOfRange { .. }))), "{told:?}");
    drop(first);
    let mut third = Driver::serving(&direct, 0, "third", 3).await;
    let again = third.owner.serving().unwrap();
    assert_eq!(again.offset, claim.offset, "both claims stand at the same offset");
    assert_ne!(again.nonce, claim.nonce);
    links.let_go(Stream::ToBrokers).await;
    until("the late event", async || (direct.end_offsets().await.unwrap()[0] > again.offset + 1).then_some(())).await;
    third.propose(after, vec![event("after")]);
    third.until_released(after).await;
    drop((second, third));
    assert_eq!(commits(&direct, 0).await, [kept, after]);
    assert!(super::skipped(&direct, Skip::Epoch).await > 0, "the late event is there");
    log.close().await;
    direct.close().await;
}
