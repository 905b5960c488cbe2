//! A commit of which the first record got to the log, and the rest never does.

use event_log::kafka::{KafkaConfig, KafkaLog};
use event_log::owner::{OwnerConfig, Told};
use groot_tests::faults::links::{Links, Stream};
use groot_tests::waiting::until;
use rand::Rng;
use uuid::Uuid;

use crate::kafka_log::driver::{Driver, event, fold, voided};

/// The way of this test, which no other test beside it takes.
const WAY: usize = 1;
/// More than everything that an owner sends but the large record, which is more than that.
const LIMIT: usize = 1 << 20;
const LARGE: usize = 3 << 20;

/// Content that cannot be compressed.
fn large() -> Vec<u8> {
    let mut content = vec![0; LARGE];
    rand::rng().fill_bytes(&mut content);
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_a_broken_connection_cut_in_two_never_happens_whoever_claims_next() {
    let (_beside, stack) = super::beside().await;
    let config = super::log_of_its_own(stack).await;
    let direct = KafkaLog::connect(&config).unwrap();
    let brokers = stack.addresses().ways[WAY].clone();
    let log = KafkaLog::connect(&KafkaConfig { brokers, lanes: 1, ..config }).unwrap();
    let links = Links::of_way(stack, WAY);
    let end = async || direct.end_offsets().await.unwrap()[0];
    let begun = async |end_before: u64| {
        until("the first record in the log", async || (end().await > end_before).then_some(())).await;
    };
    let [before, own, others, after] = [(); 4].map(|()| Uuid::now_v7());

    let mut first = Driver::serving(&log, 0, "first", 1).await;
    first.propose(before, vec![event("before"), event("before")]);
    first.until_released(before).await;
    links.limit(Stream::ToBrokers, LIMIT).await;

    // Its owner gives it up at its deadline, and claims anew.
    let end_before = end().await;
    first.propose(own, vec![event("cut off"), event(large())]);
    begun(end_before).await;
    first.tick_after(OwnerConfig::default().produce_deadline);
    let told = first.until("a new epoch", |told| matches!(told, Told::Serving(_))).await;
    assert_eq!(voided(&told), [own]);

    // The next one is cut off by the claim of another, which writes meanwhile; then the rest comes late.
    let end_before = end().await;
    first.propose(others, vec![event("cut off"), event(large())]);
    begun(end_before).await;
    let mut second = Driver::serving(&direct, 0, "second", 2).await;
    second.propose(after, vec![event("after"), event("after"), event("after")]);
    second.until_released(after).await;
    links.let_go(Stream::ToBrokers).await;
    let told = first.until("the deposition", |told| matches!(told, Told::Deposed(_))).await;
    assert_eq!(voided(&told), [others]);
    drop((first, second));

    let deliveries = fold(&direct, 0).await;
    let counts: Vec<_> =
        deliveries.iter().flat_map(|delivery| &delivery.commits).map(|c| (c.id, c.records.len())).collect();
    assert_eq!(counts, [(before, 2), (after, 3)]);
    log.close().await;
    direct.close().await;
}
