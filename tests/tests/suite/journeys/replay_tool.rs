//! What an operator sees of the log and of the projections.

use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use mongodb::bson::{Document, doc};
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
    assert!(table.contains("documents, version 1 (live): 1 record behind, nothing is parked"), "{table}");
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_is_verified_while_others_write_and_each_difference_is_named() {
    let system = System::start(Servers::Steady, "verify").await;
    let author = system.caller(Role::Author);
    let created = system.create(&author, "one", &draft("On light")).await.expect(201);
    let id = created.id().to_owned();
    publish(&system, &author, &id).await;
    let writing = async {
        for number in 0.. {
            let answer = system.create(&author, &format!("live {number}"), &draft("On dust")).await.expect(201);
            let edit = json!({ "title": format!("On dust {number}") });
            system.command("PATCH", &format!("{POSTS}/{}", answer.id()), &author, &[], Some(&edit)).await.expect(200);
        }
    };
    let verifying = async {
        for projection in ["documents", "search", "analytics"] {
            let report = system.tool(&["verify", projection, "--json"]).await.expect(0).json();
            assert!(report["compared"].as_u64().unwrap() > 0, "{report}");
        }
    };
    tokio::select! {
        () = writing => {}
        () = verifying => {}
    }

    let wrong = doc! { "$set": { "title": "On nothing" } };
    system.database.collection::<Document>("posts_v1").update_one(doc! { "title": "On light" }, wrong).await.unwrap();
    let said = system.tool(&["verify", "documents"]).await.expect(5).out;
    assert!(said.contains(&format!(r#"post {id} has title "On nothing", expected "On light""#)), "{said}");
    assert!(said.contains("1 differ from the log"), "{said}");

    let name = system.database.name();
    let gone = format!("{}/{name}_posts_v1/_doc/{id}?refresh=true", system.stack.addresses().elasticsearch_url);
    assert_eq!(reqwest::Client::new().delete(gone).send().await.unwrap().status(), 200);
    let report = system.tool(&["verify", "search", "--json"]).await.expect(5).json();
    assert_eq!(report["differences"], json!([{ "name": format!("post {id}"), "what": "is missing" }]));

    let stranger = uuid::Uuid::now_v7();
    let insert = format!("INSERT INTO authors_v1 SELECT '{stranger}', 'Nobody', now64(3), 1");
    let url = format!("{}/?database={}", system.stack.addresses().clickhouse_url, name.replace('-', "_"));
    assert_eq!(reqwest::Client::new().post(url).body(insert).send().await.unwrap().status(), 200);
    let said = system.tool(&["verify", "analytics"]).await.expect(5).out;
    assert!(said.contains(&format!("author {stranger} is there, and no event leads to it")), "{said}");

    system.projectors.kill();
    system.create(&author, "behind", &draft("On shade")).await.expect(201);
    let said = system.tool(&["verify", "documents", "--wait", "1s"]).await.expect(1).err;
    assert!(said.contains("has not come to"), "{said}");
    system.end().await;
}
