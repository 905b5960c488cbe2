//! What people say to a post, from the command to the read.

use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use serde_json::json;
use xtask::token::Role;

use super::{draft, publish};

#[tokio::test(flavor = "multi_thread")]
async fn likes_and_comments_are_seen_counted_hidden_with_their_post_and_given_back_with_it() {
    let system = System::start(Servers::Steady, "likes-and-comments").await;
    let author = system.caller(Role::Author);
    let readers: Vec<_> = (0..5).map(|_| system.caller(Role::Reader)).collect();
    let created = system.command("POST", POSTS, &author, &[], Some(&draft("On light"))).await.expect(201);
    publish(&system, &author, created.id()).await;
    let post = format!("{POSTS}/{}", created.id());
    let comments = format!("{post}/comments");

    let mut ids = Vec::new();
    let mut last = String::new();
    for (number, reader) in readers.iter().enumerate() {
        for _ in 0..2 {
            system.command("PUT", &format!("{post}/like"), reader, &[], None).await.expect(200);
        }
        let body = json!({ "content": format!("*{number}* <script>alert(1)</script>") });
        let added = system.command("POST", &comments, reader, &[], Some(&body)).await.expect(201);
        ids.push(added.id().to_owned());
        last = added.position().to_owned();
    }
    let seen = system.read_at(&last, &post, None).await.expect(200);
    assert_eq!((&seen.body["likes"], &seen.body["comments"]), (&5.into(), &5.into()));
    assert_eq!(seen.body["version"], 2, "the post itself has not changed");
    let list = system.read_at(&last, &comments, None).await.expect(200).body;
    assert_eq!(list["total"], 5);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(list["data"][number]["id"], *id);
        assert_eq!(list["data"][number]["html"], format!("<p><em>{number}</em> </p>\n"));
    }

    let own = format!("{comments}/{}", ids[1]);
    system.command("PATCH", &own, &readers[1], &[], Some(&json!({ "content": "Better" }))).await.expect(200);
    system.command("DELETE", &format!("{comments}/{}", ids[0]), &readers[0], &[], None).await.expect(200);
    let unliked = system.command("DELETE", &format!("{post}/like"), &readers[0], &[], None).await.expect(200);
    let after = system.read_at(unliked.position(), &post, None).await.expect(200);
    assert_eq!((&after.body["likes"], &after.body["comments"]), (&4.into(), &4.into()));
    assert_ne!(after.header("etag"), seen.header("etag"));
    // The position of a read is that of what it shows.
    let list = system.read_at(after.header("groot-position"), &comments, None).await.expect(200).body;
    assert_eq!((&list["total"], &list["data"][0]["content"]), (&4.into(), &"Better".into()));

    let deleted = system.command("DELETE", &post, &author, &[], None).await.expect(200);
    system.read_at(deleted.position(), &comments, None).await.expect_problem(404, &["not-found"]);
    system.read_at(deleted.position(), &comments, Some(&author)).await.expect_problem(410, &["gone"]);
    let restored = system.command("POST", &format!("{post}/restore"), &author, &[], None).await.expect(200);
    let back = system.read_at(restored.position(), &comments, None).await.expect(200).body;
    assert_eq!(back["data"], list["data"]);
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}
