//! What an operator sees of the log and of the projections.

use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use serde_json::{Value, json};
use xtask::token::Role;

use super::{draft, publish};

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_to_a_post_and_what_it_was_is_told_from_the_log() {
    let system = System::start(Servers::Steady, "tool").await;
    let (author, reader) = (system.caller(Role::Author), system.caller(Role::Reader));
    let created = system.create(&author, "one", &draft("On light")).await.expect(201);
    let (id, post) = (created.id().to_owned(), format!("{POSTS}/{}", created.id()));
    let edit = json!({ "title": "On shade" });
    system.command("PATCH", &post, &author, &[], Some(&edit)).await.expect(200);
    publish(&system, &author, &id).await;
    let liked = system.command("PUT", &format!("{post}/like"), &reader, &[], None).await.expect(200);
    let said = json!({ "content": "Dark." });
    let said = system.command("POST", &format!("{post}/comments"), &reader, &[], Some(&said)).await.expect(201);

    let history = system.tool(&["inspect", &id, "--json"]).await.expect(0).json();
    let events = history["events"].as_array().unwrap();
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["groot.post.PostCreated", "groot.post.PostEdited", "groot.post.PostPublished"]);
    assert_eq!(events[1]["changes"]["title"], json!({ "from": "On light", "to": "On shade" }));
    assert_eq!(events[2]["changes"]["status"], json!({ "from": "draft", "to": "published" }));
    assert_eq!(events[0]["actor"], json!(author.id));
    let table = system.tool(&["inspect", &id]).await.expect(0).out;
    assert!(table.contains(r#"title: "On light" → "On shade""#), "{table}");
    let like = system.tool(&["inspect", liked.id(), "--under", &id, "--json"]).await.expect(0).json();
    assert_eq!(like["events"][0]["type"], "groot.like.PostLiked");

    let state = async |at: &[&str]| system.tool(&[&["state", &id], at].concat()).await.expect(0).json();
    let (first, last) = (state(&["--at", "1"]).await, state(&[]).await);
    assert_eq!((&first["state"]["title"], &first["isLatest"]), (&json!("On light"), &json!(false)));
    let numbers = |of: &Value| (of["state"]["likes"].clone(), of["state"]["comments"].clone());
    assert_eq!((numbers(&first), numbers(&last)), ((json!(0), json!(0)), (json!(1), json!(1))));
    let then = state(&["--at", events[1]["time"].as_str().unwrap()]).await;
    assert_eq!((&then["version"], &then["state"]["status"]), (&json!(2), &json!("draft")));
    let early = system.tool(&["state", &id, "--at", "1999-12-31T00:00:00Z"]).await.expect(4);
    assert!(early.err.contains("its first event is of"), "{}", early.err);
    system.tool(&["state", &uuid::Uuid::now_v7().to_string()]).await.expect(4);

    let found = system.tool(&["events", "--json"]).await.expect(0).lines();
    assert_eq!(found.len(), 5);
    assert!(found.is_sorted_by_key(|event| event["time"].as_str().unwrap().to_owned()));
    let reader_id = reader.id.to_string();
    let found = system.tool(&["events", "--author", &reader_id, "--grep", "DARK", "--json"]).await.expect(0).lines();
    assert_eq!(found.iter().map(|event| event["aggregate"].as_str().unwrap()).collect::<Vec<_>>(), [said.id()]);
    let found = system.tool(&["events", "--type", "PostLiked", "--limit", "1"]).await.expect(0);
    assert!(found.out.contains("groot.like.PostLiked") && found.err.is_empty(), "{}", found.all());
    system.tool(&["events", "--to", "1999-12-31T00:00:00Z"]).await.expect(4);

    let checked = system.tool(&["schema", "check", "--json"]).await.expect(0).json();
    let decoded: u64 = checked["events"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!((decoded, &checked["failed"]), (5, &json!(0)));
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_how_far_each_projection_is() {
    let system = System::start(Servers::Steady, "status").await;
    let author = system.caller(Role::Author);
    system.create(&author, "one", &draft("On light")).await.expect(201);
    let lag = |report: &Value| -> Vec<u64> {
        let projections = report["projections"].as_array().unwrap();
        let of = |projection: &Value| {
            let partitions = projection["partitions"].as_array().unwrap();
            partitions.iter().map(|partition| partition["lagRecords"].as_u64().unwrap()).sum()
        };
        projections.iter().map(of).collect()
    };
    let report = until("the projections to catch up", async || {
        let report = system.tool(&["status", "--json"]).await.expect(0).json();
        (lag(&report) == [0, 0, 0, 0]).then_some(report)
    })
    .await;
    let names: Vec<_> =
        report["projections"].as_array().unwrap().iter().map(|of| of["projection"].as_str().unwrap()).collect();
    assert_eq!(names, ["documents", "search", "analytics", "activity"]);

    system.projectors.kill();
    system.create(&author, "two", &draft("On shade")).await.expect(201);
    let report = system.tool(&["status", "--json"]).await.expect(0).json();
    assert_eq!(lag(&report), [1, 1, 1, 0]);
    let table = system.tool(&["status"]).await.expect(0).out;
    assert!(table.contains("documents, version 1: 1 record behind, nothing is parked"), "{table}");
    system.end().await;
}
