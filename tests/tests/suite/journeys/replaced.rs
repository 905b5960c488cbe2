//! A version that is broken is replaced by one that is not, and what was given up is gone.

use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use mongodb::bson::{Document, doc};
use tokio::io::{AsyncBufReadExt, BufReader};
use xtask::token::Role;

use super::{draft, publish, view};

/// With a published post that was viewed, and a second version of a projection that is as good as the first.
async fn rebuilt(name: &str, projection: &str) -> System {
    let system = System::start(Servers::Steady, name).await;
    let author = system.caller(Role::Author);
    let created = system.create(&author, "one", &draft("On light")).await.expect(201);
    let published = publish(&system, &author, created.id()).await;
    view(&system, created.id()).await;
    system.read_at(published.position(), &format!("{POSTS}/{}", created.id()), None).await.expect(200);
    system.tool(&["rebuild", projection]).await.expect(0);
    system.tool(&["verify", projection, "--version", "2"]).await.expect(0);
    system
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_version_that_cannot_say_where_it_is_or_is_beyond_the_log_is_replaced_by_a_verified_one() {
    let system = rebuilt("replaced", "documents").await;
    system.projectors.kill();
    let checkpoints = system.database.collection::<Document>("checkpoints");
    let of = |version: u32| doc! { "_id": { "$regex": format!("^documents_v{version}:") } };
    // As after a loss of the end of the log.
    checkpoints.update_many(of(1), doc! { "$inc": { "nextOffset": 1_000_i64 } }).await.unwrap();
    let would = system.tool(&["promote", "documents", "--wait", "1s", "--dry-run"]).await.expect(0).out;
    assert!(would.contains("nothing was done"), "{would}");
    // As of another log.
    let changed = checkpoints.update_many(of(1), doc! { "$set": { "logId": "7" } }).await.unwrap();
    assert!(changed.modified_count > 0);
    let said = system.tool(&["promote", "documents"]).await.expect(0).err;
    assert!(said.contains("how far the live version is") && said.contains("is of the log"), "{said}");
    system.projectors.restart();

    system.tool(&["retire", "documents", "--version", "1"]).await.expect(0);
    // Whoever was killed before all of it was gone says it again.
    system.database.collection::<Document>("posts_v1").insert_one(doc! { "title": "left" }).await.unwrap();
    system.tool(&["retire", "documents", "--version", "1"]).await.expect(0);
    let left = system.database.list_collection_names().await.unwrap();
    assert!(!left.iter().any(|name| name.ends_with("_v1")), "{left:?}");
    let unknown = system.tool(&["retire", "documents", "--version", "9"]).await.expect(5).err;
    assert!(unknown.contains("there is no version 9"), "{unknown}");
    let unknown = system.tool(&["verify", "documents", "--version", "9"]).await.expect(2).err;
    assert!(unknown.contains("it has 2"), "{unknown}");
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_has_less_activity_than_the_live_one_is_not_promoted() {
    let system = rebuilt("less-activity", "analytics").await;
    let first = system.database.name().replace('-', "_");
    let ask = async |statement: String| {
        let request = reqwest::Client::new().post(&system.stack.addresses().clickhouse_url).body(statement);
        request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    };
    until("the live version to have counted the views", async || {
        let done =
            format!("SELECT count() FROM {first}.checkpoints WHERE startsWith(id, 'activity') AND kind = 'done'");
        (ask(done).await.trim() != "0").then_some(())
    })
    .await;
    system.projectors.kill();
    let which = "startsWith(id, 'activity') SETTINGS mutations_sync = 2";
    ask(format!("ALTER TABLE {first}_v2.checkpoints DELETE WHERE {which}")).await;
    let refused = system.tool(&["promote", "analytics", "--wait", "1s"]).await.expect(5).err;
    assert!(refused.contains("records of activity less than the live one"), "{refused}");
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_given_up_while_it_is_filled_is_gone() {
    let system = rebuilt("given-up", "documents").await;
    let mut child = system.begin_tool(&["rebuild", "documents", "--max-rate", "1", "--json"]).await;
    // Version 2 waits to be promoted; this is the third.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.contains(r#""version":3"#), "{line}");
    system.tool(&["retire", "documents", "--version", "3"]).await.expect(0);
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let left = system.database.list_collection_names().await.unwrap();
    assert!(!left.iter().any(|name| name.ends_with("_v3")), "{left:?}");
    system.end().await;
}
