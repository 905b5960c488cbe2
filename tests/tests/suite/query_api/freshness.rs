use groot_tests::waiting::until;
use mongodb::bson::doc;
use read_model::{DOCUMENTS, Post, stored};
use service::auth::Role;
use service::token::PositionToken;
use uuid::Uuid;

use super::world::{Answer, World, position, post};

#[tokio::test]
async fn a_read_waits_until_the_projection_is_past_the_position() {
    let world = World::start().await;
    world.checkpoint(0, 5).await;
    world.watch_queries().await;
    let path = format!("/api/universal/post/{}", post(1).id);
    let reading = world.get_at(position(5), &[("Prefer", "wait=10")], &path);
    let writing = async {
        // Twice asked after the checkpoint: the read waits.
        while world.queries_of(DOCUMENTS.checkpoints()).await.len() < 2 {
            tokio::task::yield_now().await;
        }
        world.insert(&[post(1)]).await;
        world.checkpoint(0, 6).await;
    };
    let (answer, ()) = tokio::join!(reading, writing);
    assert_eq!(answer.expect(200).body["id"], post(1).id.to_string());
    world.end().await;
}

#[tokio::test]
async fn a_projection_that_stays_behind_is_said_with_a_time_to_come_back() {
    let world = World::start().await;
    world.insert(&[post(1)]).await;
    world.checkpoint(0, 5).await;
    for path in ["/api/universal/post", "/api/universal/post/post-1", "/api/users/x"] {
        let answer = world.get_at(position(5), &[("Prefer", "wait=0")], path).await;
        let answer = answer.expect_problem(503, "projection-behind");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let reached = world.get_at(position(4), &[("Prefer", "wait=0")], "/api/universal/post/post-1").await.expect(200);
    assert_eq!(reached.header("groot-stale"), "");
    let other_partition = PositionToken { partition: 3, ..position(0) };
    let answer = world.get_at(other_partition, &[("Prefer", "wait=0")], "/api/universal/post").await;
    answer.expect_problem(503, "projection-behind");
    world.end().await;
}

#[tokio::test]
async fn who_allows_it_gets_what_is_there_marked_as_stale() {
    let world = World::start().await;
    world.insert(&[post(1)]).await;
    world.checkpoint(0, 5).await;
    let headers = [("Prefer", "wait=0"), ("Groot-Stale", "allow")];
    let path = "/api/universal/post/post-1";
    let stale = world.get_at(position(5), &headers, path).await.expect(200);
    assert_eq!(stale.header("groot-stale"), "true");
    assert_eq!(stale.header("cache-control"), "no-store");
    let fresh = world.get_at(position(4), &headers, path).await.expect(200);
    assert_eq!(fresh.header("groot-stale"), "");
    assert_eq!(fresh.header("cache-control"), "no-store");
    world.end().await;
}

#[tokio::test]
async fn before_anything_is_projected_every_position_is_ahead() {
    let world = World::start().await;
    let answer = world.get_at(position(0), &[("Prefer", "wait=0")], "/api/universal/post").await;
    answer.expect_problem(503, "projection-behind");
    world.end().await;
}

#[tokio::test]
async fn a_position_of_another_log_or_a_damaged_one_is_refused() {
    let world = World::start().await;
    world.checkpoint(0, 5).await;
    let other = PositionToken { log_id: 1, ..position(0) };
    let answer = world.get_at(other, &[("Groot-Stale", "allow")], "/api/universal/post").await;
    assert_eq!(answer.expect_problem(400, "invalid-parameter").bad_fields(), ["Groot-Min-Position"]);
    let mut damaged = position(0).to_string();
    damaged.replace_range(3..4, if &damaged[3..4] == "A" { "B" } else { "A" });
    let many = vec![position(0).to_string(); 101].join(",");
    for bad in [damaged.as_str(), "", "x", &many] {
        let request = world.request("/api/universal/post").header("Groot-Min-Position", bad);
        let answer = Answer::of(request).await.expect_problem(400, "invalid-parameter");
        assert_eq!(answer.bad_fields(), ["Groot-Min-Position"], "{bad}");
    }
    world.end().await;
}

#[tokio::test]
async fn an_answer_names_its_position_and_that_position_can_be_read_at() {
    let world = World::start().await;
    world.checkpoint(0, 2).await;
    world.insert(&[post(1)]).await;
    let answer = world.get("/api/universal/post/post-1").await.expect(200);
    let token: PositionToken = answer.header("groot-position").parse().unwrap();
    assert_eq!(token, position(1));
    world.get_at(token, &[("Prefer", "wait=0")], "/api/universal/post/post-1").await.expect(200);
    world.end().await;
}

#[tokio::test]
async fn an_unchanged_answer_is_304_and_any_change_is_seen() {
    let world = World::start().await;
    let post = post(1);
    world.insert(std::slice::from_ref(&post)).await;
    for path in ["/api/universal/post/post-1", "/api/universal/post", "/api/universal/post/post-1/history"] {
        let first = world.get(path).await.expect(200);
        let tag = first.header("etag").to_owned();
        let again = async || Answer::of(world.request(path).header("If-None-Match", &tag)).await;
        let unchanged = again().await.expect(304);
        assert_eq!(unchanged.header("etag"), tag);
        assert_eq!(unchanged.header("cache-control"), first.header("cache-control"));
        assert!(unchanged.body.is_null());
    }
    let path = "/api/universal/post/post-1";
    let tag = world.get(path).await.header("etag").to_owned();
    assert!(tag.starts_with("\"2."), "{tag}");
    world.insert_person(post.author_id, "Ada").await;
    // What is kept in memory is as old as its changes are late.
    let renamed = until("the author's name", async || {
        let answer = Answer::of(world.request(path).header("If-None-Match", &tag)).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_ne!(renamed.header("etag"), tag);
    assert_eq!(renamed.body["author"]["name"], "Ada");
    let posts = world.db.collection::<Post>(&DOCUMENTS.posts());
    let edit = doc! { "$set": { "title": "Another", "version": 3_i64 } };
    posts.update_one(doc! { "_id": stored::id(post.id) }, edit).await.unwrap();
    until("the edited post", async || {
        let edited = world.get(path).await.expect(200);
        (edited.header("etag").starts_with("\"3.") && edited.body["title"] == "Another").then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn answers_may_be_kept_by_all_by_one_or_by_nobody() {
    let world = World::start().await;
    world.insert(&[post(1)]).await;
    let author = world.token(Role::Author, Uuid::now_v7());
    for path in ["/api/universal/post", "/api/universal/post/post-1"] {
        let public = world.get(path).await.expect(200);
        assert_eq!(public.header("cache-control"), "public, max-age=300, stale-while-revalidate=60");
        let vary: Vec<_> = public.headers.get_all("vary").iter().map(|line| line.to_str().unwrap()).collect();
        let vary = vary.join(",").to_ascii_lowercase();
        assert!(vary.contains("authorization") && vary.contains("groot-min-position"), "{vary}");
        let personal = world.get_as(&author, path).await.expect(200);
        assert_eq!(personal.header("cache-control"), "private, max-age=60");
    }
    for path in ["/api/universal/post/nothing", "/api/universal/post?x=1"] {
        assert_eq!(world.get(path).await.header("cache-control"), "no-store");
    }
    world.end().await;
}
