//! A partition that cannot append takes only so much in.

use groot_tests::faults::links::{Links, Stream};
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use serde_json::json;
use xtask::token::Role;

/// The way of this test, which no other test beside it takes.
const WAY: usize = 6;
/// Twice as many as there is room for, of a content of this size each (8 MiB).
const COMMANDS: usize = 16;
const CONTENT_BYTES: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_cannot_append_sends_commands_away_at_once_when_its_queue_is_full() {
    let (_beside, stack) = super::beside().await;
    let system = System::laid_out(stack, "full-queue").through(WAY).start().await;
    let links = Links::of_way(stack, WAY);
    let author = system.caller(Role::Author);
    let body = json!({ "type": "note", "title": "A post", "content": "It *travels*." });
    let post = format!("{POSTS}/{}", system.create(&author, "a post", &body).await.expect(201).id());
    let edit = async |number: usize| {
        let key = format!("edit {number}");
        let content = json!({ "content": format!("{number} {}", "x".repeat(CONTENT_BYTES - 10)) });
        system.command("PATCH", &post, &author, &[("Idempotency-Key", &key)], Some(&content)).await
    };

    links.hold(Stream::ToBrokers).await;
    let answers = futures::future::join_all((0..COMMANDS).map(edit)).await;
    let (full, waited): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.body["type"] == "/problems/overloaded");
    assert!(full.len() >= COMMANDS / 2, "{} were sent away", full.len());
    assert!(!waited.is_empty(), "there is room for some");
    for answer in full {
        answer.expect_unavailable(&["overloaded"]);
    }
    for answer in waited {
        answer.expect_unavailable(&["outcome-unknown", "no-owner"]);
    }
    links.let_go(Stream::ToBrokers).await;

    for number in 0..COMMANDS {
        until("the edit to be done", async || (edit(number).await.status == 200).then_some(())).await;
    }
    let facts = system.assert_log_is_sound().await;
    assert_eq!(facts.len(), 1 + COMMANDS, "each key is one edit");
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}
