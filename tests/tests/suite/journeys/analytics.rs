//! What is written over HTTP is counted, and a figure that names a position has it.

use groot_tests::servers::Servers;
use groot_tests::system::{PEOPLE, POSTS, System};
use serde_json::json;
use xtask::token::Role;

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
