//! What is written over HTTP is counted, and a figure that names a position has it.

use groot_tests::servers::Servers;
use groot_tests::system::{PEOPLE, POSTS, System};
use serde_json::{Value, json};
use xtask::token::Role;

use groot_tests::client::Client;
use groot_tests::waiting::until;

use super::{draft, publish};

#[tokio::test(flavor = "multi_thread")]
async fn figures_reflect_every_command_whose_position_they_name() {
    let system = System::start(Servers::Steady, "analytics").await;
    let (admin, author, reader) =
        (system.caller(Role::Admin), system.caller(Role::Author), system.caller(Role::Reader));
    let person = system.command("POST", PEOPLE, &admin, &[], Some(&json!({ "name": "Ada" }))).await.expect(201);
    let created = system.command("POST", POSTS, &author, &[], Some(&draft("On light"))).await.expect(201);
    let post = format!("{POSTS}/{}", created.id());
    let published = publish(&system, &author, created.id()).await;
    let liked = system.command("PUT", &format!("{post}/like"), &reader, &[], None).await.expect(200);
    let said = json!({ "content": "Bright." });
    let said = system.command("POST", &format!("{post}/comments"), &reader, &[], Some(&said)).await.expect(201);

    let positions = [&person, &published, &liked, &said].map(|answer| answer.position()).join(",");
    let sum = system.read_at(&positions, "/api/analytics/overview", None).await.expect(200).body;
    for (name, figure) in [("posts", 1), ("authors", 1), ("events", 5), ("likes", 1), ("comments", 1), ("views", 0)] {
        assert_eq!(sum[name], figure, "{name} of {sum}");
    }
    let top = system.read_at(&positions, "/api/analytics/top-posts", None).await.expect(200).body;
    assert_eq!((&top["data"][0]["title"], &top["data"][0]["likes"]), (&json!("On light"), &json!(1)), "{top}");

    let gone = system.command("DELETE", &format!("{post}/like"), &reader, &[], None).await.expect(200);
    let sum = system.read_at(gone.position(), "/api/analytics/overview", None).await.expect(200).body;
    assert_eq!((&sum["likes"], &sum["events"]), (&json!(0), &json!(6)), "{sum}");
    let path = "/api/analytics/timeseries?interval=month&type=groot.like.PostLiked";
    let months = system.read_at(gone.position(), path, None).await.expect(200).body;
    assert_eq!(months["data"].as_array().unwrap().last().unwrap()["events"], 1, "{months}");
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_tell_of_views_is_counted_by_post_and_country() {
    let system = System::start(Servers::Steady, "views").await;
    let author = system.caller(Role::Author);
    let created = system.create(&author, "one", &draft("On light")).await.expect(201);
    let published = publish(&system, &author, created.id()).await;
    let tell = async |country: &str, events: Value| {
        let url = format!("{}/api/analytics/events", system.commands.base);
        let request = Client::default().request("POST", &url).header("X-Geo-Country", country);
        groot_tests::client::Answer::of(request.json(&json!({ "events": events }))).await.unwrap().expect(202)
    };
    let view = |session: &str| json!({ "type": "view", "postId": created.id(), "sessionId": session });
    let told = tell("DE", json!([view("a"), view("a"), view("b")])).await;
    assert_eq!(told.body, json!({ "accepted": 3 }));
    tell("FR", json!([view("c"), { "type": "share", "postId": created.id(), "sessionId": "c" }])).await;

    let sum = until("the views to be counted", async || {
        let sum = system.read_at(published.position(), "/api/analytics/overview", None).await.expect(200).body;
        // What else is counted: a post that was created, and published.
        (sum["events"] == 7).then_some(sum)
    })
    .await;
    assert_eq!(sum["views"], 4, "{sum}");
    let top = system.read("/api/analytics/top-posts", None).await.expect(200).body;
    assert_eq!((&top["data"][0]["title"], &top["data"][0]["views"]), (&json!("On light"), &json!(4)), "{top}");
    let countries = system.read("/api/analytics/countries?type=view", None).await.expect(200).body;
    assert_eq!(
        countries["data"],
        json!([
            { "country": "DE", "events": 3, "users": 0, "sessions": 2 },
            { "country": "FR", "events": 1, "users": 0, "sessions": 1 },
        ])
    );
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}
