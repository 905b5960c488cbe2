//! Who may do what, to which version.

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use xtask::token::Role;

use super::process::{Instance, pause};
use super::world::{POSTS, Token, World, draft, soon};

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_what_it_may_and_a_refusal_appends_nothing() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    let [reader, author, stranger, editor, admin] =
        [Role::Reader, Role::Author, Role::Author, Role::Editor, Role::Admin].map(|role| world.token(role));
    let id = world.post(base, &author).await;
    let path = format!("{POSTS}/{id}");
    let title = json!({ "title": "Another" });
    let ends = world.ends().await;

    world.send(base, "POST", POSTS, &reader, &[], Some(&draft())).await.is_problem(403, "forbidden");
    world.send(base, "PATCH", &path, &reader, &[], Some(&title)).await.is_problem(403, "forbidden");
    world.send(base, "PATCH", &path, &stranger, &[], Some(&title)).await.is_problem(403, "forbidden");
    world.send(base, "DELETE", &path, &stranger, &[], None).await.is_problem(403, "forbidden");
    let given_away = json!({ "authorId": stranger.person });
    world.send(base, "PATCH", &path, &author, &[], Some(&given_away)).await.is_problem(403, "forbidden");
    for token in [&author, &editor] {
        world
            .send(base, "POST", "/api/users", token, &[], Some(&json!({ "name": "Ada" })))
            .await
            .is_problem(403, "forbidden");
    }
    for bearer in ["", "garbage", &format!("{}x", author.bearer)] {
        let nobody = Token { person: author.person, bearer: bearer.to_owned() };
        let answer = world.send(base, "DELETE", &path, &nobody, &[], None).await;
        answer.is_problem(401, "unauthenticated");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    assert_eq!(world.ends().await, ends, "a refusal appends nothing");

    world.send(base, "PATCH", &path, &editor, &[], Some(&given_away)).await.is(200);
    world.send(base, "PATCH", &path, &stranger, &[], Some(&title)).await.is(200);
    world
        .send(
            base,
            "POST",
            &format!("{path}/publish"),
            &admin,
            &[],
            Some(&json!({ "publishedAt": "1790-01-01T00:00:00Z" })),
        )
        .await
        .is(200);
    let person = world.send(base, "POST", "/api/users", &admin, &[], Some(&json!({ "name": "Ada Lovelace" }))).await;
    assert_eq!(person.is(201).headers["location"], format!("/api/users/{}", person.id()));
    assert_eq!(world.history(&person.id()).await, ["PersonCreated"]);
    assert_eq!(world.history(&id).await, ["PostCreated", "PostEdited", "PostEdited", "PostPublished"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_version_is_412_and_writes_nothing() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    let author = world.token(Role::Author);
    let path = format!("{POSTS}/{}", world.post(base, &author).await);
    let ends = world.ends().await;
    let title = json!({ "title": "Another" });
    for wrong in ["\"2\"", "2", "\"0\"", "\"7.abcdef\"", "W/\"2\""] {
        let answer = world.send(base, "PATCH", &path, &author, &[("if-match", wrong)], Some(&title)).await;
        answer.is_problem(412, "version-mismatch");
        world.send(base, "PUT", &path, &author, &[("if-match", wrong)], Some(&draft())).await.is(412);
        world.send(base, "DELETE", &path, &author, &[("if-match", wrong)], None).await.is(412);
    }
    for unnamed in [&[][..], &[("if-match", "*")]] {
        let answer = world.send(base, "PUT", &path, &author, unnamed, Some(&draft())).await;
        answer.is_problem(428, "version-required");
    }
    assert_eq!(world.ends().await, ends);
    for (version, right) in [(2, "\"1\""), (3, "2"), (4, "\"3.abcdef\"")] {
        let body = json!({ "title": format!("Title {version}"), "content": "c" });
        let answer = world.send(base, "PUT", &path, &author, &[("if-match", right)], Some(&body)).await;
        assert_eq!(answer.is(200).headers["etag"], format!("\"{version}\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_saw_the_same_version_one_succeeds() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    let path = format!("{POSTS}/{}", world.post(&instance.base, &author).await);
    let edits = (0..20).map(|n| {
        let (world, author, path, base) = (&world, &author, &path, &instance.base);
        async move {
            let body = json!({ "title": format!("Title {n}") });
            world.send(base, "PATCH", path, author, &[("if-match", "\"1\"")], Some(&body)).await.status
        }
    });
    let mut statuses = futures::future::join_all(edits).await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 19][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_publishes_by_itself_also_when_its_owner_was_killed_meanwhile() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    let id = world.post(&instance.base, &author).await;
    let at = chrono::Utc::now() + chrono::Duration::seconds(4);
    let schedule = format!("{POSTS}/{id}/schedule");
    world.send(&instance.base, "POST", &schedule, &author, &[], Some(&json!({ "at": at }))).await.is(200);
    instance.kill().await;
    let _next = Instance::start(&world).await;
    world.until_history_ends_with(&id, "PostPublished").await;
    let events = world.events_of(&id).await;
    assert_eq!(events.len(), 3);
    assert!(events[2].timestamp >= at.timestamp_millis(), "not before its time");
    assert_eq!(events[2].headers.get("actor"), Some(&b"system"[..]));
    // Of the post and the time, so that it is the same whichever owner does it.
    let name = events[2].headers.get("ce_id").map(|name| String::from_utf8_lossy(name).into_owned());
    assert_eq!(name, Some(due_name(&id, at).to_string()));
}

/// The id of what the system does with a post at a time.
fn due_name(post: &str, at: DateTime<Utc>) -> Uuid {
    let hash = Sha256::new().chain_update("groot:due").chain_update(post.parse::<Uuid>().unwrap().as_bytes());
    let digest: [u8; 32] = hash.chain_update(at.timestamp_millis().to_be_bytes()).finalize().into();
    let (id, _) = digest.split_first_chunk().unwrap();
    Uuid::new_v8(*id)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_post_is_in_the_log() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    let author = world.token(Role::Author);
    let id = world.post(base, &author).await;
    let path = format!("{POSTS}/{id}");
    let step = async |method: &str, rest: &str, body: Option<serde_json::Value>| {
        world.send(base, method, &format!("{path}{rest}"), &author, &[], body.as_ref()).await
    };
    let later = json!({ "at": "2099-01-01T00:00:00Z" });
    step("POST", "/schedule", Some(later.clone())).await.is(200);
    step("DELETE", "", None).await.is(200);
    step("PATCH", "", Some(json!({ "title": "x" }))).await.is_problem(409, "rule-broken");
    step("POST", "/restore", None).await.is(200);
    step("POST", "/publish", None).await.is(200);
    step("POST", "/schedule", Some(later)).await.is_problem(409, "rule-broken");
    step("POST", "/unpublish", Some(json!({}))).await.is(200);
    let expected = ["PostCreated", "PostScheduled", "PostDeleted", "PostRestored", "PostPublished", "PostUnpublished"];
    assert_eq!(world.history(&id).await, expected);
    let versions: Vec<_> =
        world.events_of(&id).await.iter().map(|record| record.headers.get("version").unwrap().to_vec()).collect();
    assert_eq!(versions, (1..=6).map(|n| n.to_string().into_bytes()).collect::<Vec<_>>());
    // The admin page agrees with the log once the last record was read.
    soon("the position", async {
        loop {
            let page: serde_json::Value =
                world.http.get(format!("{}/owners", instance.admin)).send().await.unwrap().json().await.unwrap();
            if page["partitions"]["0"]["here"]["position"] == world.ends().await[0] {
                return;
            }
            pause().await;
        }
    })
    .await;
}
