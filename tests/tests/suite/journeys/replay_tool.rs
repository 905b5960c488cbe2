//! What an operator sees of the log and of the projections.

use groot_tests::servers::Servers;
use groot_tests::system::{PEOPLE, POSTS, System};
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

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_finds_what_differs_of_its_keys_says_how_to_draw_it_again_and_unlocks_nothing() {
    let system = System::start(Servers::Steady, "sample").await;
    let (author, reader) = (system.caller(Role::Author), system.caller(Role::Reader));
    for number in 0..10 {
        let created =
            system.create(&author, &format!("key {number}"), &draft(&format!("On {number}"))).await.expect(201);
        let post = format!("{POSTS}/{}", created.id());
        let chosen = json!({ "slug": format!("on-{number}") });
        system.command("POST", &format!("{post}/publish"), &author, &[], Some(&chosen)).await.expect(200);
        system.command("PUT", &format!("{post}/like"), &reader, &[], None).await.expect(200);
        let said = json!({ "content": "Bright." });
        system.command("POST", &format!("{post}/comments"), &reader, &[], Some(&said)).await.expect(201);
    }
    let admin = system.caller(Role::Admin);
    system.command("POST", PEOPLE, &admin, &[], Some(&json!({ "name": "Ada" }))).await.expect(201);
    system.tool(&["rebuild", "documents"]).await.expect(0);
    let verify = async |projection: &str, more: &[&str]| {
        let version = if projection == "documents" { "2" } else { "1" };
        let arguments = [&["verify", projection, "--version", version, "--json"], more].concat();
        system.tool(&arguments).await
    };

    // A sample of few passes and is no verification; one of all keys compares what the whole does.
    let report = verify("documents", &["--sample", "3", "--seed", "7"]).await.expect(0).json();
    let (few, keys) = (&report["compared"], report["sample"]["of"].as_u64().unwrap());
    assert_eq!(report["sample"], json!({ "keys": 3, "of": keys, "seed": 7 }));
    assert_eq!(keys, 11, "ten posts and a person");
    let refused = system.tool(&["promote", "documents", "--version", "2"]).await.expect(5).err;
    assert!(refused.contains("was not verified"), "{refused}");
    for projection in ["documents", "search", "analytics"] {
        let whole = verify(projection, &[]).await.expect(0).json();
        let all = verify(projection, &["--sample", "1000"]).await.expect(0).json();
        assert_eq!((&all["compared"], &whole["sample"]), (&whole["compared"], &Value::Null), "{all}");
        assert_eq!(all["sample"]["keys"], all["sample"]["of"], "{all}");
    }
    let whole = verify("documents", &[]).await.expect(0).json();
    assert!(few.as_u64().unwrap() > 3 && few.as_u64() < whole["compared"].as_u64(), "{few} of {whole}");
    // It was verified as a whole now, and no sample that passes takes that back.
    system.tool(&["verify", "documents", "--version", "2", "--sample", "1"]).await.expect(0);
    system.tool(&["promote", "documents", "--version", "2", "--dry-run"]).await.expect(0);

    let posts = system.database.collection::<Document>("posts_v2");
    let wrong = doc! { "$set": { "title": "On nothing" } };
    posts.update_one(doc! { "title": "On 4" }, wrong).await.unwrap();
    let mut seed = 0;
    let found = loop {
        let said = verify("documents", &["--sample", "3", "--seed", &seed.to_string()]).await;
        if said.code == 5 {
            break said.json();
        }
        // It has other keys.
        said.expect(0);
        seed += 1;
        assert!(seed < 100, "no sample ever has the post");
    };
    assert_eq!((&found["differing"], &found["sample"]["seed"]), (&json!(1), &json!(seed)), "{found}");
    assert!(found["differences"][0]["what"].as_str().unwrap().contains(r#"has title "On nothing""#), "{found}");
    let again = ["verify", "documents", "--version", "2", "--sample", "3", "--seed", &seed.to_string()];
    let again = system.tool(&again).await.expect(5).out;
    assert!(again.contains(&format!("a sample of 3 of {keys} keys (the same again: --seed {seed})")), "{again}");
    assert!(again.contains("does not count for promote"), "{again}");
    let refused = system.tool(&["promote", "documents", "--version", "2"]).await.expect(5).err;
    assert!(refused.contains("was not verified"), "{refused}");

    // What is too much under a key that is compared is found, and a key that no event has by the whole alone.
    let back = doc! { "$set": { "title": "On 4" } };
    posts.update_one(doc! { "title": "On nothing" }, back).await.unwrap();
    let mut nobodys = posts.find_one(doc! { "title": "On 4" }).await.unwrap().unwrap();
    nobodys.insert("_id", mongodb::bson::Uuid::new());
    posts.insert_one(nobodys).await.unwrap();
    verify("documents", &["--sample", "1000"]).await.expect(0);
    let whole = verify("documents", &[]).await.expect(5).json();
    assert_eq!(whole["differences"][0]["what"], json!("is there, and no event leads to it"), "{whole}");
    let likes = system.database.collection::<Document>("likes_v2");
    let mut surplus = likes.find_one(doc! {}).await.unwrap().unwrap();
    surplus.insert("_id", mongodb::bson::Uuid::new());
    likes.insert_one(surplus).await.unwrap();
    let all = verify("documents", &["--sample", "1000"]).await.expect(5).json();
    assert!(all["differences"][0]["name"].as_str().unwrap().starts_with("like "), "{all}");
    system.end().await;
}
