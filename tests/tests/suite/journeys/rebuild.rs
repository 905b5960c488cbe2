//! A projection is made anew beside the one that readers read, and takes its place.

use std::collections::BTreeSet;

use groot_tests::servers::Servers;
use groot_tests::system::{Caller, POSTS, System};
use groot_tests::waiting::until;
use mongodb::bson::{Document, doc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use xtask::token::Role;

use super::{draft, publish, view};

const PROJECTIONS: [&str; 3] = ["documents", "search", "analytics"];

/// Writes posts, edits and likes, some of each.
async fn write(system: &System, author: &Caller, posts: usize) {
    let reader = system.caller(Role::Reader);
    for number in 0..posts {
        let created =
            system.create(author, &format!("post {number}"), &draft(&format!("On {number}"))).await.expect(201);
        let post = format!("{POSTS}/{}", created.id());
        publish(system, author, created.id()).await;
        let edit = json!({ "title": format!("Over {number}") });
        system.command("PATCH", &post, author, &[], Some(&edit)).await.expect(200);
        system.command("PUT", &format!("{post}/like"), &reader, &[], None).await.expect(200);
    }
}

async fn catches_up(system: &System, projection: &str, version: u32) {
    let version = version.to_string();
    until("the new version to catch up", async || {
        let said = system.tool(&["verify", projection, "--version", &version, "--wait", "30s"]).await;
        (said.code == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_each_projection_is_filled_verified_promoted_and_gone_back_from_while_others_write() {
    let system = System::start(Servers::Steady, "rebuild").await;
    let author = system.caller(Role::Author);
    let first = system.create(&author, "one", &draft("On light")).await.expect(201);
    publish(&system, &author, first.id()).await;
    view(&system, first.id()).await;
    write(&system, &author, 10).await;
    let writing = async {
        // As a busy site would, and not as fast as the machine can: two versions of each store have to keep up with it.
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(500));
        // What was missed on a busy machine is not made up for, which would keep it as busy as it can be.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for number in 0.. {
            ticks.tick().await;
            let answer = system.create(&author, &format!("live {number}"), &draft("On dust")).await.expect(201);
            publish(&system, &author, answer.id()).await;
        }
    };
    let rebuilding = async {
        for projection in PROJECTIONS {
            let would = system.tool(&["rebuild", projection, "--dry-run"]).await.expect(0).out;
            assert!(would.contains("version 2") && would.contains("nothing was done"), "{would}");
            let said = system.tool(&["rebuild", projection]).await.expect(0).out;
            assert!(said.contains(&format!("replay-tool promote {projection} --version 2")), "{said}");
            let refused = system.tool(&["promote", projection]).await.expect(5).err;
            assert!(refused.contains("was not verified"), "{refused}");
            system.tool(&["verify", projection, "--version", "2"]).await.expect(0);
            system.tool(&["promote", projection]).await.expect(0);
        }
    };
    tokio::select! {
        () = writing => {}
        () = rebuilding => {}
    }

    // Readers are shown the new versions, which have all that was written meanwhile.
    let last = system.create(&author, "last", &draft("On the last")).await.expect(201);
    let last = publish(&system, &author, last.id()).await;
    let at = last.position();
    until("readers to know", async || {
        let served = system.read_at(at, "/api/projections", Some(&system.caller(Role::Admin))).await.expect(200).body;
        let versions: Vec<_> = served["data"].as_array().unwrap().iter().map(|of| of["projection"].clone()).collect();
        // A version that is not live is shown with its number.
        (versions.contains(&json!("documents_v1")) && versions.contains(&json!("analytics_v1"))).then_some(())
    })
    .await;
    // Two versions of each store are written at the time: an answer may be late.
    let read = async |path: &str| {
        let answered = async || {
            let answer = system.read_at(at, path, None).await;
            (answer.status == 200).then_some(answer.body)
        };
        until("an answer that shows the last post", answered).await
    };
    let listed = read(&format!("{POSTS}?limit=1")).await;
    let found = read("/api/search?q=last").await;
    let counted = read("/api/analytics/overview").await;
    assert_eq!((&found["total"], &counted["views"]), (&json!(1), &json!(2)), "{found} {counted}");
    assert_eq!(listed["total"], counted["posts"]);

    // What is written to the new version alone is what readers are shown, until it is gone back from.
    let wrong = doc! { "$set": { "title": "Of the second" } };
    system.database.collection::<Document>("posts_v2").update_many(doc! {}, wrong).await.unwrap();
    let titles = async || {
        let listed = system.read(&format!("{POSTS}?limit=100"), None).await.expect(200).body;
        let of = |post: &Value| post["title"].as_str().unwrap() == "Of the second";
        listed["data"].as_array().unwrap().iter().map(of).collect::<BTreeSet<_>>()
    };
    assert_eq!(titles().await, BTreeSet::from([true]));
    let reading = async {
        loop {
            // One version or the other, and never some of both.
            assert_eq!(titles().await.len(), 1);
        }
    };
    let switching = async {
        system.tool(&["rollback", "documents"]).await.expect(0);
        until("readers to go back", async || (titles().await == BTreeSet::from([false])).then_some(())).await;
        let differs = system.tool(&["verify", "documents", "--version", "2", "--limit", "1"]).await.expect(5).out;
        assert!(differs.contains(r#"has title "Of the second""#), "{differs}");
        let refused = system.tool(&["promote", "documents"]).await.expect(5).err;
        assert!(refused.contains("was not verified"), "{refused}");
    };
    tokio::select! {
        () = reading => {}
        () = switching => {}
    }

    let refused = system.tool(&["retire", "documents", "--version", "1"]).await.expect(5).err;
    assert!(refused.contains("is live"), "{refused}");
    system.tool(&["retire", "documents", "--version", "2"]).await.expect(0);
    let left = system.database.list_collection_names().await.unwrap();
    assert!(!left.iter().any(|name| name.ends_with("_v2")), "{left:?}");
    let status = system.tool(&["status"]).await.expect(0).out;
    assert!(
        status.contains("documents, version 1 (live") && status.contains("search, version 2 (live, verified"),
        "{status}"
    );
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_again_and_again_ends_as_one_that_was_not() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let system = System::start(Servers::Steady, "killed-rebuild").await;
    let author = system.caller(Role::Author);
    let first = system.create(&author, "one", &draft("On light")).await.expect(201);
    view(&system, first.id()).await;
    write(&system, &author, 60).await;
    for projection in PROJECTIONS {
        // So slow that four times up to three seconds are not enough for it.
        for _ in 0..4 {
            let mut child = system.begin_tool(&["rebuild", projection, "--max-rate", "15", "--json"]).await;
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let enough = rng.random_range(0..3);
            let mut told = 0;
            while told < enough && lines.next_line().await.unwrap().is_some() {
                told += 1;
            }
            tokio::time::sleep(std::time::Duration::from_millis(rng.random_range(0..1_000))).await;
            child.kill().await.unwrap();
        }
        let lines = system.tool(&["rebuild", projection, "--json"]).await.expect(0).lines();
        let last = lines.last().unwrap();
        assert_eq!((&last["state"], &last["version"]), (&json!("filled"), &json!(2)), "{last}");
        assert_eq!(last["records"], last["ofRecords"], "{last}");
        catches_up(&system, projection, 2).await;
    }
    system.tool(&["promote", "analytics"]).await.expect(0);
    until("the views of the new version", async || {
        let sum = system.read("/api/analytics/overview", None).await.expect(200).body;
        assert_eq!(sum["views"], 2, "{sum}");
        let versions = system.tool(&["status", "--json"]).await.expect(0).json();
        (versions["projections"].as_array().unwrap().len() == 8).then_some(())
    })
    .await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_of_one_aggregate_is_put_right_and_nothing_else_is_touched() {
    let system = System::start(Servers::Steady, "repair").await;
    let author = system.caller(Role::Author);
    write(&system, &author, 3).await;
    let created = system.create(&author, "one", &draft("On light")).await.expect(201);
    let id = created.id().to_owned();
    publish(&system, &author, &id).await;
    let said = json!({ "content": "Bright." });
    let path = format!("{POSTS}/{id}/comments");
    let said = system.command("POST", &path, &author, &[], Some(&said)).await.expect(201);
    let seen = system.read_at(said.position(), &format!("{POSTS}/{id}"), None).await.expect(200);
    for projection in ["documents", "search"] {
        system.tool(&["verify", projection]).await.expect(0);
    }

    let of = |name: &str| system.database.collection::<Document>(name);
    of("posts_v1").update_one(doc! { "title": "On light" }, doc! { "$set": { "title": "On nothing" } }).await.unwrap();
    of("comments_v1").delete_many(doc! {}).await.unwrap();
    of("slugs_v1").delete_one(doc! { "_id": seen.body["slug"].as_str().unwrap() }).await.unwrap();
    of("post_events_v1").delete_one(doc! { "_id": format!("{id}:2") }).await.unwrap();
    let index = format!("{}/{}_posts_v1", system.stack.addresses().elasticsearch_url, system.database.name());
    // As somebody with a console would, several times over: under a version that no event gave.
    let http = reqwest::Client::new();
    let stored: Value = http.get(format!("{index}/_doc/{id}")).send().await.unwrap().json().await.unwrap();
    let (mut wrong, version) = (stored["_source"].clone(), stored["_version"].as_u64().unwrap() + 5);
    wrong["title"] = json!("On nothing");
    let path = format!("{index}/_doc/{id}?version={version}&version_type=external_gte&refresh=true");
    assert_eq!(http.put(path).json(&wrong).send().await.unwrap().status(), 200);
    for projection in ["documents", "search"] {
        system.tool(&["verify", projection]).await.expect(5);
        let would = system.tool(&["repair", projection, "--aggregate", &id, "--dry-run"]).await.expect(0).out;
        assert!(would.contains("nothing was done"), "{would}");
        system.tool(&["verify", projection]).await.expect(5);
        system.tool(&["repair", projection, "--aggregate", &id]).await.expect(0);
        system.tool(&["verify", projection]).await.expect(0);
    }
    let of_a_comment = system.tool(&["repair", "documents", "--aggregate", said.id()]).await.expect(4).out;
    assert!(of_a_comment.contains("by the id of that"), "{of_a_comment}");
    let refused = system.tool(&["repair", "analytics", "--aggregate", &id]).await.expect(5).err;
    assert!(refused.contains("replay-tool rebuild analytics"), "{refused}");
    // Projectors go on behind it.
    let edit = json!({ "title": "On shade" });
    let edited = system.command("PATCH", &format!("{POSTS}/{id}"), &author, &[], Some(&edit)).await.expect(200);
    let seen = system.read_at(edited.position(), &format!("{POSTS}/{id}"), None).await.expect(200).body;
    assert_eq!((&seen["title"], &seen["comments"]), (&json!("On shade"), &json!(1)));
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_up_to_a_time_shows_what_was_then_and_is_never_promoted() {
    let system = System::start(Servers::Steady, "until").await;
    let author = system.caller(Role::Author);
    let created = system.create(&author, "one", &draft("On light")).await.expect(201);
    let events = system.tool(&["inspect", created.id(), "--json"]).await.expect(0).json();
    let appended = events["events"][0]["time"].as_str().unwrap().to_owned();
    // Times of records are those of the broker, a moment after the event's own.
    let later = until("the clock to go on", async || {
        let now = chrono::Utc::now();
        (now.timestamp() > chrono::DateTime::parse_from_rfc3339(&appended).unwrap().timestamp() + 1).then_some(now)
    })
    .await;
    let edit = json!({ "title": "On shade" });
    system.command("PATCH", &format!("{POSTS}/{}", created.id()), &author, &[], Some(&edit)).await.expect(200);

    let until = later.to_rfc3339();
    system.tool(&["rebuild", "documents", "--until", &until]).await.expect(0);
    let title = async |collection: &str| {
        let posts = system.database.collection::<Document>(collection);
        posts.find_one(doc! {}).await.unwrap().unwrap().get_str("title").unwrap().to_owned()
    };
    assert_eq!(title("posts_v2").await, "On light");
    // It is what the log said then, and what it says of the version that goes on is another matter.
    system.tool(&["verify", "documents", "--version", "2"]).await.expect(0);
    let meddled = system.database.collection::<Document>("posts_v2");
    meddled.update_one(doc! {}, doc! { "$set": { "title": "On nothing" } }).await.unwrap();
    system.tool(&["verify", "documents", "--version", "2"]).await.expect(5);
    let refused = system.tool(&["promote", "documents", "--version", "2"]).await.expect(5).err;
    assert!(refused.contains("a time in the past"), "{refused}");
    system.tool(&["retire", "documents", "--version", "2"]).await.expect(0);
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_lost_wholly_is_there_again_after_a_restart_and_verified() {
    let system = System::start(Servers::Steady, "lost").await;
    let author = system.caller(Role::Author);
    write(&system, &author, 5).await;
    let last = system.create(&author, "last", &draft("On the last")).await.expect(201);
    system.read_at(last.position(), &format!("{POSTS}/{}", last.id()), Some(&author)).await.expect(200);
    system.projectors.kill();
    system.database.drop().await.unwrap();
    system.read(&format!("{POSTS}/{}", last.id()), Some(&author)).await.expect(404);

    system.projectors.restart();
    system.tool(&["verify", "documents"]).await.expect(0);
    system.read_at(last.position(), &format!("{POSTS}/{}", last.id()), Some(&author)).await.expect(200);
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}
