//! Instances whose clocks are wrong by hours.

use std::collections::BTreeMap;
use std::process::Command;

use groot_tests::client::Answer;
use groot_tests::program::Program;
use groot_tests::system::{Caller, POSTS, System};
use serde_json::{Value, json};
use xtask::token::Role;

/// What moves a program's clock, as it is loaded into one.
const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/faults/shifted_clock.c");

const HOUR: i64 = 3600;

/// One more instance, whose clock is wrong by some hours.
async fn with_clock(system: &System, name: &str, hours: i64) -> Program {
    let library = system.stack.paths().data(&format!("{name}-clock.so"));
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(LIBRARY).status().unwrap();
    assert!(compiled.success());
    let (library, shift) = (library.display().to_string(), (hours * HOUR).to_string());
    let settings = [("LD_PRELOAD", library.as_str()), ("GROOT_CLOCK_SHIFT", shift.as_str())];
    let program = system.program(name, "command-api", &[], &settings);
    program.is_ready().await;
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_25_hours_back_and_one_2_hours_ahead_neither_lose_nor_repeat_a_command() {
    let (_beside, stack) = super::beside().await;
    let system = System::laid_out(stack, "clocks").start().await;
    let back = with_clock(&system, "back", -25).await;
    let ahead = with_clock(&system, "ahead", 2).await;
    let author = system.caller(Role::Author);
    let send = async |instance: &Program, method: &str, path: &str, key: &str, body: Option<Value>| {
        keyed(&system, instance, &author, method, path, key, body).await
    };
    let mut positions = Vec::new();
    for number in 0..12 {
        let key = |what: &str| format!("{what} {number}");
        let body = json!({ "type": "note", "title": key("post"), "content": "It *travels*." });
        let first = send(&back, "POST", POSTS, &key("create"), Some(body.clone())).await.expect(201);
        let post = format!("{POSTS}/{}", first.id());
        let title = |text: &str| Some(json!({ "title": text }));
        let steps = [
            (&ahead, "PATCH", post.clone(), key("ahead"), title("ahead")),
            (&system.commands, "PATCH", post.clone(), key("right"), title("right")),
            (&back, "POST", format!("{post}/publish"), key("publish"), None),
        ];
        let mut told = vec![first];
        for (instance, method, path, key, body) in &steps {
            told.push(send(instance, method, path, key, body.clone()).await.expect(200));
        }
        let versions: Vec<_> = told.iter().map(|answer| answer.body["version"].as_u64().unwrap()).collect();
        assert_eq!(versions, [1, 2, 3, 4]);
        for instance in [&back, &ahead, &system.commands] {
            let again = send(instance, "POST", POSTS, &key("create"), Some(body.clone())).await;
            assert_eq!(again.body, told[0].body);
            for ((_, method, path, key, body), first) in steps.iter().zip(&told[1..]) {
                assert_eq!(send(instance, method, path, key, body.clone()).await.body, first.body);
            }
        }
        positions.extend(told.iter().map(|answer| answer.position().to_owned()));
    }

    // A command without a key gets its id from the clock: a day back it might have been forgotten, so it is not made.
    let ends = system.ends().await;
    let body = json!({ "type": "note", "title": "No key", "content": "It *travels*." });
    let refused = system.command_to(&back, "POST", POSTS, &author, &[], Some(&body)).await;
    refused.expect_problem(500, &["internal"]);
    assert_eq!(system.ends().await, ends);
    system.command_to(&ahead, "POST", POSTS, &author, &[], Some(&body)).await.expect(201);

    let facts = system.assert_log_is_sound().await;
    let mut times = BTreeMap::new();
    for event in facts.iter().flat_map(|fact| &fact.events) {
        let last = times.insert(event.meta.aggregate_id, event.meta.time);
        assert!(last.is_none_or(|last| last <= event.meta.time), "times go back: {event:?}");
    }
    system.assert_acknowledged(&positions).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    drop((back, ahead));
    system.end().await;
}

async fn keyed(
    system: &System,
    instance: &Program,
    author: &Caller,
    method: &str,
    path: &str,
    key: &str,
    body: Option<Value>,
) -> Answer {
    system.command_to(instance, method, path, author, &[("Idempotency-Key", key)], body.as_ref()).await
}
