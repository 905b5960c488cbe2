//! A read that names the position of a command sees what the command did.

use chrono::{TimeDelta, Utc};
use groot_tests::servers::Servers;
use groot_tests::system::{Caller, PEOPLE, POSTS, System};
use groot_tests::waiting::until;
use serde_json::{Value, json};
use xtask::token::Role;

use super::draft;

/// A command on a post, and what it leads to.
struct Step {
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
    event: &'static str,
    /// What the author reads afterwards.
    seen: Seen,
}

#[derive(Clone, Copy)]
enum Seen {
    As(&'static str),
    Gone,
}

fn step(method: &'static str, path: &'static str, body: Option<Value>, event: &'static str, seen: Seen) -> Step {
    Step { method, path, body, event, seen }
}

/// That it is told, and not only found by looking, is seen in nothing but the time it takes, and in what query-api counts.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_position_is_told_by_the_store() {
    let system = System::start(Servers::Steady, "told").await;
    let author = system.caller(Role::Author);
    until("a checkpoint that the store tells of", async || {
        let created = system.command("POST", POSTS, &author, &[], Some(&draft("On light"))).await.expect(201);
        let post = format!("{POSTS}/{}", created.id());
        system.read_at(created.position(), &post, Some(&author)).await.expect(200);
        (system.queries.metric("checkpoints_told_total").await > 0.0).then_some(())
    })
    .await;
    system.end().await;
}

/// A store may be lost, made anew and filled again under the same version: that it once held something proves nothing then.
#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_was_reached_is_not_believed_any_more_once_its_store_was_lost() {
    let system = System::start(Servers::Steady, "lost-store").await;
    let author = system.caller(Role::Author);
    let created = system.command("POST", POSTS, &author, &[], Some(&draft("On light"))).await.expect(201);
    let post = format!("{POSTS}/{}", created.id());
    system.read_at(created.position(), &post, Some(&author)).await.expect(200);
    // The projector has nothing to write, and so does not notice.
    system.database.drop().await.expect("the database is dropped");
    until("a read that says that the projection is behind", async || {
        let headers = [("Groot-Min-Position", created.position()), ("Prefer", "wait=1")];
        (system.read_with(&post, Some(&author), &headers).await.status == 503).then_some(())
    })
    .await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_seen_by_a_read_that_names_its_position_and_history_has_every_version() {
    use Seen::{As, Gone};
    let system = System::start(Servers::Steady, "read-your-writes").await;
    let admin = system.caller(Role::Admin);
    let made = system.command("POST", PEOPLE, &admin, &[], Some(&json!({ "name": "Ada" }))).await.expect(201);
    let person = system.read_at(made.position(), &format!("{PEOPLE}/{}", made.id()), None).await.expect(200);
    assert_eq!(person.body["name"], "Ada");

    let later = (Utc::now() + TimeDelta::days(1)).to_rfc3339();
    let steps = [
        step(
            "PATCH",
            "",
            Some(json!({ "title": "On light and shade", "category": "Optics" })),
            "PostEdited",
            As("draft"),
        ),
        step("PUT", "", Some(draft("On shade")), "PostEdited", As("draft")),
        step("POST", "/schedule", Some(json!({ "at": later })), "PostScheduled", As("scheduled")),
        step("DELETE", "", None, "PostDeleted", Gone),
        step("POST", "/restore", None, "PostRestored", As("draft")),
        step("POST", "/publish", None, "PostPublished", As("published")),
        step("DELETE", "", None, "PostDeleted", Gone),
        step("POST", "/restore", None, "PostRestored", As("published")),
        step("POST", "/unpublish", None, "PostUnpublished", As("draft")),
    ];
    let author = system.caller(Role::Author);
    let created = system.command("POST", POSTS, &author, &[], Some(&draft("On light"))).await.expect(201);
    let post = format!("{POSTS}/{}", created.id());
    let mut etag = system.read_at(created.position(), &post, Some(&author)).await.expect(200).header("etag").to_owned();
    let mut events = vec!["PostCreated"];
    for step in steps {
        let path = format!("{post}{}", step.path);
        // Each goes by what was read last; the tag of a deleted post is that of its version.
        let done =
            system.command(step.method, &path, &author, &[("If-Match", &etag)], step.body.as_ref()).await.expect(200);
        events.push(step.event);
        assert_eq!(done.body["version"], events.len(), "{done:?}");
        let seen = system.read_at(done.position(), &post, Some(&author)).await;
        let stranger = system.read_at(done.position(), &post, None).await;
        match step.seen {
            As(status) => {
                let seen = seen.expect(200);
                assert_eq!((&seen.body["status"], &seen.body["version"]), (&status.into(), &events.len().into()));
                if let Some(title) = step.body.as_ref().and_then(|body| body.get("title")) {
                    assert_eq!(&seen.body["title"], title);
                }
                seen.header("etag").clone_into(&mut etag);
                stranger.expect(if status == "published" { 200 } else { 404 });
            }
            Gone => {
                seen.expect_problem(410, &["gone"]);
                stranger.expect_problem(404, &["not-found"]);
                etag = format!("\"{}\"", events.len());
            }
        }
    }
    assert_history(&system, &author, &post, &events).await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_post_is_seen_by_everybody_when_its_time_has_come() {
    let system = System::start(Servers::Steady, "scheduled").await;
    let author = system.caller(Role::Author);
    let created = system.command("POST", POSTS, &author, &[], Some(&draft("Soon"))).await.expect(201);
    let post = format!("{POSTS}/{}", created.id());
    let soon = json!({ "at": (Utc::now() + TimeDelta::seconds(2)).to_rfc3339() });
    let scheduled = system.command("POST", &format!("{post}/schedule"), &author, &[], Some(&soon)).await.expect(200);
    system.read_at(scheduled.position(), &post, Some(&author)).await.expect(200);
    let seen = until("the post to be published", async || {
        let answer = system.read(&post, None).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(seen.body["version"], 3);
    assert_history(&system, &author, &post, &["PostCreated", "PostScheduled", "PostPublished"]).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}

/// The history, walked in pages of three.
async fn assert_history(system: &System, author: &Caller, post: &str, events: &[&str]) {
    let mut found = Vec::new();
    for page in 1..=events.len().div_ceil(3) {
        let path = format!("{post}/history?limit=3&page={page}");
        let body = system.read(&path, Some(author)).await.expect(200).body;
        assert_eq!(body["total"], events.len());
        found.extend(body["data"].as_array().unwrap().clone());
    }
    let expected = (1..).zip(events).map(|(version, event)| (json!(version), json!(format!("groot.post.{event}"))));
    let found = found.into_iter().map(|event| (event["version"].clone(), event["type"].clone()));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
