//! What a proxy holds back arrives when others own the partition.

use event_log::reader::Skip;
use groot_tests::client::Answer;
use groot_tests::faults::links::{Links, Stream};
use groot_tests::program::Program;
use groot_tests::system::{Caller, POSTS, System};
use groot_tests::waiting::until;
use serde_json::json;
use service::token::PositionToken;
use xtask::token::Role;

use crate::kafka_log::driver::Driver;

/// The ways of these tests, which no other test beside them takes.
const EVENTS: usize = 0;
const DELIVERED: usize = 1;
const CLAIM: usize = 2;

fn partition_of(answer: &Answer) -> u32 {
    answer.position().parse::<PositionToken>().unwrap().partition
}

async fn create(system: &System, author: &Caller, key: &str) -> Answer {
    let body = json!({ "type": "note", "title": key, "content": "It *travels*." });
    system.create(author, key, &body).await.expect(201)
}

/// Waits until the owner has appended a command and waits for what comes of it.
async fn appended(system: &System, partition: u32) {
    until("the edit to be appended", async || {
        (system.commands.standing(partition).await["pending"] == 1).then_some(())
    })
    .await;
}

/// Asks under the same key until it is done.
async fn edit(system: &System, instance: &Program, author: &Caller, post: &str, title: &str) -> Answer {
    until("the edit to be done", async || {
        let key = [("Idempotency-Key", title)];
        let body = json!({ "title": title });
        let answer = system.command_to(instance, "PATCH", post, author, &key, Some(&body)).await;
        if answer.status == 200 {
            return Some(answer);
        }
        answer.expect_unavailable(&["outcome-unknown", "no-owner"]);
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_held_back_until_the_next_owner_has_written_never_count_and_their_command_is_done_once() {
    let (_beside, stack) = super::beside().await;
    let system = System::laid_out(stack, "held-events").through(EVENTS).start().await;
    let links = Links::of_way(stack, EVENTS);
    let author = system.caller(Role::Author);
    let created = create(&system, &author, "a post").await;
    let (post, partition) = (format!("{POSTS}/{}", created.id()), partition_of(&created));

    links.hold(Stream::ToBrokers).await;
    let held = edit(&system, &system.commands, &author, &post, "held back");
    let meanwhile = async {
        appended(&system, partition).await;
        let next = system.program("next", "command-api", &[], &[]);
        // Nothing of the first owner gets through: the group gives its partitions to the next.
        until("the next owner to serve", async || next.serves().await.contains(&partition).then_some(())).await;
        let second = edit(&system, &next, &author, &post, "meanwhile").await;
        links.let_go(Stream::ToBrokers).await;
        (second, next)
    };
    let (held, (meanwhile, next)) = tokio::join!(held, meanwhile);
    assert_eq!((&meanwhile.body["version"], &held.body["version"]), (&2.into(), &3.into()));

    let log = super::log_of(&system, None);
    until("the late event", async || (super::skipped(&log, Skip::Epoch).await > 0).then_some(())).await;
    log.close().await;
    let told: Vec<_> = [&created, &meanwhile, &held].map(|answer| answer.position().to_owned()).to_vec();
    system.assert_acknowledged(&told).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    drop(next);
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_answers_with_what_counts_and_not_with_what_was_delivered_under_a_claim_of_another() {
    let (_beside, stack) = super::beside().await;
    let system = System::laid_out(stack, "delivered").through(DELIVERED).start().await;
    let links = Links::of_way(stack, DELIVERED);
    let author = system.caller(Role::Author);
    let created = create(&system, &author, "a post").await;
    let (post, partition) = (format!("{POSTS}/{}", created.id()), partition_of(&created));

    links.hold(Stream::ToBrokers).await;
    let held = edit(&system, &system.commands, &author, &post, "held back");
    let log = super::log_of(&system, None);
    let meanwhile = async {
        appended(&system, partition).await;
        drop(Driver::serving(&log, partition, "another", 0).await);
        links.let_go(Stream::ToBrokers).await;
    };
    let (held, ()) = tokio::join!(held, meanwhile);
    assert_eq!(held.body["version"], 2);
    until("the late event", async || (super::skipped(&log, Skip::Epoch).await > 0).then_some(())).await;
    log.close().await;
    system.assert_acknowledged(&[created.position().to_owned(), held.position().to_owned()]).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_held_back_until_the_next_owner_is_idle_is_noticed_and_answered_by_a_new_claim() {
    let (_beside, stack) = super::beside().await;
    let system = System::laid_out(stack, "held-claim").start().await;
    let links = Links::of_way(stack, CLAIM);
    let author = system.caller(Role::Author);
    let created = create(&system, &author, "a post").await;
    let (post, partition) = (format!("{POSTS}/{}", created.id()), partition_of(&created));

    // A first claim over the way connects its producer; then one that is held while the owner claims anew and writes.
    let late = super::log_of(&system, Some(CLAIM));
    drop(Driver::serving(&late, partition, "late", 0).await);
    let before = edit(&system, &system.commands, &author, &post, "before").await;
    links.hold(Stream::ToBrokers).await;
    let mut ghost = Driver::new(&late, partition, "late", rand::random());
    ghost.assign(0);
    let idle = edit(&system, &system.commands, &author, &post, "idle from here").await;
    let epoch = system.commands.standing(partition).await["epoch"].clone();
    let end = system.ends().await[partition as usize];

    links.let_go(Stream::ToBrokers).await;
    until("the late claim and the answer to it", async || {
        let (standing, ends) = (system.commands.standing(partition).await, system.ends().await);
        let answered = standing["phase"] == "serving" && standing["epoch"] != epoch;
        (answered && ends[partition as usize] >= end + 2).then_some(())
    })
    .await;
    drop(ghost);
    let after = system.command("DELETE", &post, &author, &[("If-Match", "\"3\"")], None).await.expect(200);
    late.close().await;
    let told: Vec<_> = [&created, &before, &idle, &after].map(|answer| answer.position().to_owned()).to_vec();
    system.assert_acknowledged(&told).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}
