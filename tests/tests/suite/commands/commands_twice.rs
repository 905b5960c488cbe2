//! A command that is made again: with its key, it is the same one.

use serde_json::json;
use xtask::token::Role;

use super::process::Instance;
use super::world::{Answer, POSTS, World, draft};

fn essence(answer: &Answer) -> (u16, serde_json::Value, Option<String>) {
    let location = answer.headers.get("location").map(|value| value.to_str().unwrap().to_owned());
    (answer.status, answer.body.clone(), location)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_the_first_answer_again_also_after_a_kill_and_a_restart() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    let key = [("idempotency-key", "an address of 1790")];
    let other_key = [("idempotency-key", "its title")];
    let title = json!({ "title": "On shadow" });

    let created = world.send(&instance.base, "POST", POSTS, &author, &key, Some(&draft())).await;
    created.is(201);
    assert_eq!(created.body["version"], 1);
    assert_eq!(created.headers["groot-position"], created.body["position"].as_str().unwrap());
    assert_eq!(created.headers["etag"], "\"1\"");
    assert_eq!(created.headers["location"], format!("{POSTS}/{}", created.id()));
    let path = format!("{POSTS}/{}", created.id());
    let edited = world.send(&instance.base, "PATCH", &path, &author, &other_key, Some(&title)).await;
    assert_eq!(edited.is(200).body["version"], 2);
    let ends = world.ends().await;

    let again = async |base: &str| {
        let create = world.send(base, "POST", POSTS, &author, &key, Some(&draft())).await;
        assert_eq!(essence(&create), essence(&created));
        let edit = world.send(base, "PATCH", &path, &author, &other_key, Some(&title)).await;
        assert_eq!(essence(&edit), essence(&edited));
        let another =
            world.send(base, "POST", POSTS, &author, &key, Some(&json!({ "title": "t", "content": "c" }))).await;
        another.is_problem(422, "idempotency-key-reused");
        let another = world.send(base, "PATCH", &path, &author, &other_key, Some(&json!({ "title": "Else" }))).await;
        another.is_problem(422, "idempotency-key-reused");
    };
    again(&instance.base).await;
    assert_eq!(world.ends().await, ends, "a repeated command appends nothing");

    instance.kill().await;
    let instance = Instance::start(&world).await;
    again(&instance.base).await;
    assert_eq!(world.history(&created.id()).await, ["PostCreated", "PostEdited"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_of_another_person_is_another_command() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let key = [("idempotency-key", "k")];
    let (one, other) = (world.token(Role::Author), world.token(Role::Author));
    let first = world.send(&instance.base, "POST", POSTS, &one, &key, Some(&draft())).await;
    let second = world.send(&instance.base, "POST", POSTS, &other, &key, Some(&draft())).await;
    assert_ne!(first.is(201).id(), second.is(201).id());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_under_one_key_are_one_command() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    let key = [("idempotency-key", "at once")];
    let body = draft();
    let all = (0..20).map(|_| world.send(&instance.base, "POST", POSTS, &author, &key, Some(&body)));
    let answers = futures::future::join_all(all).await;
    for answer in &answers {
        assert_eq!(essence(answer.is(201)), essence(&answers[0]));
    }
    assert_eq!(world.history(&answers[0].id()).await, ["PostCreated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_changes_nothing_appends_nothing_and_tells_the_last_position() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    let id = world.post(&instance.base, &author).await;
    let publish = format!("{POSTS}/{id}/publish");
    let published = world.send(&instance.base, "POST", &publish, &author, &[], None).await;
    assert_eq!(published.is(200).body["version"], 2);
    let ends = world.ends().await;
    let again = world.send(&instance.base, "POST", &publish, &author, &[], None).await;
    assert_eq!(essence(&again), essence(&published));
    let same = json!({ "title": draft()["title"], "tags": draft()["tags"] });
    let same = world.send(&instance.base, "PATCH", &format!("{POSTS}/{id}"), &author, &[], Some(&same)).await;
    assert_eq!(same.is(200).body, published.body);
    assert_eq!(world.ends().await, ends);
}
