//! Slugs that people choose, from the command to the read.

use command_api::domain::Command;
use command_api::domain::slug_reservation::{Holding, SlugCommand};
use groot_tests::peer;
use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use serde_json::json;
use xtask::token::Role;

use super::draft;

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_read_by_the_slug_that_was_chosen_and_one_that_lost_it_shows_so_in_its_history() {
    let system = System::start(Servers::Steady, "chosen-slugs").await;
    let author = system.caller(Role::Author);
    let slug = "the-speed-of-light";
    let body = json!({ "slug": slug });
    let lost = system.command("POST", POSTS, &author, &[], Some(&draft("On light"))).await.expect(201);
    let created = system.command("POST", POSTS, &author, &[], Some(&draft("On light"))).await.expect(201);

    // A request of another post for the same slug ended half-way.
    let by = Holding { post: lost.id().parse().unwrap(), token: 1 };
    let command = SlugCommand::Reserve { by, hold_millis: 1, refused: None };
    let reserve = Command::Slug { slug: slug.to_owned(), command };
    let reserved = peer::make(system.stack, &system.commands.admin, author.id, reserve).await;
    assert!(reserved["Done"].is_object(), "{reserved}");

    let publish = format!("{POSTS}/{}/publish", created.id());
    let published = until("the slug", async || {
        let answer = system.command("POST", &publish, &author, &[], Some(&body)).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    let by_slug = format!("{POSTS}/{slug}");
    let seen = system.read_at(published.position(), &by_slug, None).await.expect(200);
    assert_eq!((&seen.body["id"], &seen.body["slug"]), (&json!(created.id()), &json!(slug)));

    let history = format!("{POSTS}/{}/history", lost.id());
    let types = until("the refusal", async || {
        let data = system.read(&history, Some(&author)).await.expect(200).body["data"].clone();
        let types: Vec<_> = data.as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
        (types.len() > 1).then_some(types)
    })
    .await;
    assert_eq!(types, ["groot.post.PostCreated", "groot.post.PostSlugRefused"]);
    let other = format!("{POSTS}/{}/publish", lost.id());
    system.command("POST", &other, &author, &[], Some(&body)).await.expect_problem(409, &["slug-taken"]);
    let automatic = system.command("POST", &other, &author, &[], None).await.expect(200);
    let automatic = system.read_at(automatic.position(), &format!("{POSTS}/{}", lost.id()), None).await.expect(200);
    let digits = &lost.id()[lost.id().len() - 8..];
    assert_eq!(automatic.body["slug"], format!("on-light-{digits}"));

    // It keeps its slug while it is not published.
    let back = system.command("POST", &format!("{POSTS}/{}/unpublish", created.id()), &author, &[], None).await;
    let back = back.expect(200);
    system.read_at(back.position(), &by_slug, None).await.expect(404);
    let seen = system.read_at(back.position(), &by_slug, Some(&author)).await.expect(200);
    assert_eq!((&seen.body["status"], &seen.body["slug"]), (&json!("draft"), &json!(slug)));
    system.assert_stores_are_the_fold_of_the_log().await;
    system.assert_log_is_sound().await;
    system.end().await;
}
