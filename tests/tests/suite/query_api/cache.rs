//! Posts that query-api keeps in memory.

use chrono::Utc;
use groot_tests::waiting::until;
use mongodb::bson::doc;
use read_model::versions::{self, Versions};
use read_model::{DOCUMENTS, Post, PostStatus, Projection, stored};
use service::auth::Role;
use uuid::Uuid;

use super::world::{Answer, World, position, post};

/// A read that the store is not asked for proves that the post is kept.
async fn is_kept(world: &World, path: &str) -> Answer {
    is_kept_of(world, DOCUMENTS, path).await
}

/// The same where that version is live.
async fn is_kept_of(world: &World, names: Projection, path: &str) -> Answer {
    until("an answer from memory", async || {
        let asked = world.queries_of(&names.posts()).await.len();
        let answer = world.get(path).await;
        (world.queries_of(&names.posts()).await.len() == asked).then_some(answer)
    })
    .await
}

async fn set(world: &World, id: Uuid, fields: mongodb::bson::Document) {
    let posts = world.db.collection::<Post>(&DOCUMENTS.posts());
    posts.update_one(doc! { "_id": stored::id(id) }, doc! { "$set": fields }).await.unwrap();
}

/// The post once it is read with another title than it had.
async fn is_titled(world: &World, path: &str, title: &str) -> Answer {
    until(title, async || {
        let answer = world.get(path).await.expect(200);
        (answer.body["title"] == title).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn a_post_is_answered_from_memory_until_it_changes() {
    let world = World::start().await;
    world.watch_queries().await;
    world.insert(&[post(1)]).await;
    let path = format!("/api/universal/post/{}", post(1).id);
    let kept = is_kept(&world, &path).await.expect(200);
    assert_eq!(kept.body["title"], "Post 1");
    set(&world, post(1).id, doc! { "title": "Another" }).await;
    let changed = is_titled(&world, &path, "Another").await;
    assert_ne!(changed.header("etag"), kept.header("etag"));
    // What is kept has the same tag, and is not sent again to who has it.
    let again = is_kept(&world, &path).await.expect(200);
    let request = world.request(&path).header("If-None-Match", again.header("etag"));
    Answer::of(request).await.expect(304);
    world.end().await;
}

#[tokio::test]
async fn that_there_is_no_post_is_forgotten_when_there_is_one() {
    let world = World::start().await;
    world.watch_queries().await;
    let path = format!("/api/universal/post/{}", post(1).id);
    is_kept(&world, &path).await.expect_problem(404, "not-found");
    world.insert(&[post(1)]).await;
    until("the post", async || (world.get(&path).await.status == 200).then_some(())).await;
    let posts = world.db.collection::<Post>(&DOCUMENTS.posts());
    posts.delete_one(doc! { "_id": stored::id(post(1).id) }).await.unwrap();
    until("its end", async || (world.get(&path).await.status == 404).then_some(())).await;
    world.end().await;
}

#[tokio::test]
async fn a_page_shows_the_name_that_its_author_got_since() {
    let world = World::start().await;
    world.watch_queries().await;
    world.insert(&[post(1)]).await;
    let path = format!("/api/universal/post/{}", post(1).id);
    let nameless = is_kept(&world, &path).await.expect(200);
    assert!(nameless.body["author"]["name"].is_null());
    world.insert_person(post(1).author_id, "Ada").await;
    until("the name", async || (world.get(&path).await.expect(200).body["author"]["name"] == "Ada").then_some(()))
        .await;
    assert_eq!(is_kept(&world, &path).await.body["author"]["name"], "Ada");
    world.end().await;
}

#[tokio::test]
async fn who_wrote_several_posts_is_asked_for_once() {
    let world = World::start().await;
    world.watch_queries().await;
    let author_id = post(1).author_id;
    world.insert_person(author_id, "Ada").await;
    let mut numbers = 1..;
    // The change that brought the person may be told late, and then they are asked for again.
    until("two new posts by somebody who is known already", async || {
        let posts = [(); 2].map(|()| Post { author_id, ..post(numbers.next().unwrap()) });
        world.insert(&posts).await;
        let asked = world.queries_of(&DOCUMENTS.people()).await.len();
        for post in &posts {
            let page = world.get(&format!("/api/universal/post/{}", post.id)).await.expect(200);
            assert_eq!(page.body["author"]["name"], "Ada");
        }
        (world.queries_of(&DOCUMENTS.people()).await.len() == asked).then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_collection_that_is_replaced_leaves_nothing_in_memory() {
    let world = World::start().await;
    world.watch_queries().await;
    world.insert(&[post(1)]).await;
    let path = format!("/api/universal/post/{}", post(1).id);
    is_kept(&world, &path).await.expect(200);
    let repaired = world.db.collection::<Post>("repaired");
    repaired.insert_one(Post { title: "Another".into(), ..post(1) }).await.unwrap();
    let [from, to] = ["repaired".to_owned(), DOCUMENTS.posts()].map(|name| format!("{}.{name}", world.db.name()));
    let rename = doc! { "renameCollection": from, "to": to, "dropTarget": true };
    world.admin(rename).await;
    is_titled(&world, &path, "Another").await;
    world.end().await;
}

#[tokio::test]
async fn a_collection_that_is_dropped_leaves_nothing_in_memory() {
    let world = World::start().await;
    world.watch_queries().await;
    world.insert(&[post(1)]).await;
    let path = format!("/api/universal/post/{}", post(1).id);
    is_kept(&world, &path).await.expect(200);
    let posts = world.db.collection::<Post>(&DOCUMENTS.posts());
    posts.drop().await.unwrap();
    until("its end", async || (world.get(&path).await.status == 404).then_some(())).await;
    posts.insert_one(Post { title: "Another".into(), ..post(1) }).await.unwrap();
    until("the post", async || (world.get(&path).await.status == 200).then_some(())).await;
    assert_eq!(is_kept(&world, &path).await.expect(200).body["title"], "Another");
    world.end().await;
}

#[tokio::test]
async fn what_is_kept_of_one_version_is_not_answered_for_another() {
    let world = World::start().await;
    world.watch_queries().await;
    world.insert(&[post(1)]).await;
    let path = format!("/api/universal/post/{}", post(1).id);
    is_kept(&world, &path).await.expect(200);
    let second = DOCUMENTS.in_version(2);
    read_model::ensure_indexes(&world.db, second).await.unwrap();
    let rebuilt = Post { title: "Rebuilt".into(), ..post(1) };
    world.db.collection::<Post>(&second.posts()).insert_one(rebuilt).await.unwrap();

    let now = Utc::now();
    let filled = Versions::default().fill(now, None).unwrap().0.filled();
    let promoted = Versions { rev: 1, ..filled.compared(2, true, now).promote(2).unwrap() };
    assert!(versions::documents::replace(&world.db, &promoted).await.unwrap());
    is_titled(&world, &path, "Rebuilt").await;
    assert_eq!(is_kept_of(&world, second, &path).await.body["title"], "Rebuilt");

    // Of the first version nobody tells what changes now, and then it is live again.
    set(&world, post(1).id, doc! { "title": "Changed meanwhile" }).await;
    assert!(versions::documents::replace(&world.db, &promoted.roll_back().unwrap()).await.unwrap());
    until("the first version again", async || {
        let title = world.get(&path).await.expect(200).body["title"].clone();
        assert_ne!(title, "Post 1", "it was kept from before");
        (title == "Changed meanwhile").then_some(())
    })
    .await;
    assert_eq!(is_kept(&world, &path).await.body["title"], "Changed meanwhile");
    world.end().await;
}

#[tokio::test]
async fn a_slug_leads_to_the_page_that_is_kept() {
    let world = World::start().await;
    world.watch_queries().await;
    world.insert(&[Post { slug: Some("on-light".into()), ..post(1) }]).await;
    let page = is_kept(&world, "/api/universal/post/on-light").await.expect(200);
    assert_eq!(page.body["id"], post(1).id.to_string());
    set(&world, post(1).id, doc! { "title": "Another" }).await;
    is_titled(&world, "/api/universal/post/on-light", "Another").await;
    world.end().await;
}

#[tokio::test]
async fn what_is_kept_is_shown_to_those_alone_who_may_see_it() {
    let world = World::start().await;
    world.watch_queries().await;
    world.insert(&[Post { status: PostStatus::Draft, ..post(1) }]).await;
    let path = format!("/api/universal/post/{}", post(1).id);
    is_kept(&world, &path).await.expect_problem(404, "not-found");
    let author = world.token(Role::Author, post(1).author_id);
    let asked = world.queries_of(&DOCUMENTS.posts()).await.len();
    let draft = world.get_as(&author, &path).await.expect(200);
    assert_eq!(draft.header("cache-control"), "private, max-age=60");
    let other = world.token(Role::Author, Uuid::now_v7());
    world.get_as(&other, &path).await.expect_problem(404, "not-found");
    world.get(&path).await.expect_problem(404, "not-found");
    assert_eq!(world.queries_of(&DOCUMENTS.posts()).await.len(), asked, "all of them were answered from memory");
    world.end().await;
}

#[tokio::test]
async fn a_read_that_names_a_position_is_not_answered_from_memory() {
    let world = World::start().await;
    world.watch_queries().await;
    world.insert(&[post(1)]).await;
    world.checkpoint(0, 5).await;
    let path = format!("/api/universal/post/{}", post(1).id);
    is_kept(&world, &path).await.expect(200);
    let asked = world.queries_of(&DOCUMENTS.posts()).await.len();
    world.get_at(position(4), &[], &path).await.expect(200);
    assert_eq!(world.queries_of(&DOCUMENTS.posts()).await.len(), asked + 1);
    world.end().await;
}
