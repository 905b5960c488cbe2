use read_model::{Post, PostStatus};
use service::auth::Role;
use uuid::Uuid;

use super::world::{World, at, post};

const OWN: Uuid = Uuid::from_u128(5);

/// One post of each status by `OWN` and by somebody else.
fn posts() -> Vec<Post> {
    let mut posts = Vec::new();
    for status in PostStatus::ALL {
        for author in [OWN, Uuid::from_u128(6)] {
            let mut post = post(posts.len() as u32 + 1);
            post.status = status;
            post.author_id = author;
            if status == PostStatus::Deleted {
                post.deleted_at = Some(at(9));
                post.status_before_delete = Some(PostStatus::Published);
            }
            posts.push(post);
        }
    }
    posts
}

/// What each viewer meets when reading the posts above, in their order.
fn rules(world: &World) -> Vec<(&'static str, Option<String>, [u16; 8])> {
    let token = |role| Some(world.token(role, OWN));
    // draft, scheduled, published, deleted: each own and of others
    vec![
        ("anonymous", None, [404, 404, 404, 404, 200, 200, 404, 404]),
        ("reader", token(Role::Reader), [404, 404, 404, 404, 200, 200, 404, 404]),
        ("author", token(Role::Author), [200, 404, 200, 404, 200, 200, 410, 404]),
        ("editor", token(Role::Editor), [200, 200, 200, 200, 200, 200, 410, 410]),
        ("admin", token(Role::Admin), [200, 200, 200, 200, 200, 200, 410, 410]),
    ]
}

#[tokio::test]
async fn each_role_reads_by_id_by_slug_and_in_history_what_the_rules_say() {
    let world = World::start().await;
    let posts = posts();
    world.insert(&posts).await;
    for (who, token, statuses) in rules(&world) {
        for (post, expected) in posts.iter().zip(statuses) {
            let slug = post.slug.as_deref().unwrap();
            for path in
                [post.id.to_string(), slug.to_owned(), format!("{}/history", post.id), format!("{slug}/history")]
            {
                let path = format!("/api/universal/post/{path}");
                let answer = match &token {
                    Some(token) => world.get_as(token, &path).await,
                    None => world.get(&path).await,
                };
                assert_eq!(answer.status, expected, "{who} reads {:?} at {path}", post.status);
                match expected {
                    404 => drop(answer.expect_problem(404, "not-found")),
                    410 => drop(answer.expect_problem(410, "gone")),
                    _ => {}
                }
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn each_role_lists_what_the_rules_say() {
    let world = World::start().await;
    let posts = posts();
    world.insert(&posts).await;
    for (who, token, statuses) in rules(&world) {
        let list = async |query: &str| {
            let path = format!("/api/universal/post?sortOrder=asc&{query}");
            let answer = match &token {
                Some(token) => world.get_as(token, &path).await,
                None => world.get(&path).await,
            };
            answer.expect(200).ids()
        };
        // Who is told that a post is gone may list it: how else would they find what to restore?
        let visible = |wanted: &dyn Fn(&Post) -> bool| -> Vec<Uuid> {
            let seen = posts.iter().zip(statuses).filter(|(post, status)| *status != 404 && wanted(post));
            seen.map(|(post, _)| post.id).collect()
        };
        assert_eq!(list("").await, visible(&|post| post.status == PostStatus::Published), "{who}");
        for status in PostStatus::ALL {
            let query = format!("status={}", status.as_str());
            assert_eq!(list(&query).await, visible(&|post| post.status == status), "{who} {query}");
        }
        assert_eq!(list("status=draft,scheduled,published,deleted").await, visible(&|_| true), "{who}");
        let query = format!("status=draft,published&author={OWN}");
        let wanted = [PostStatus::Draft, PostStatus::Published];
        let expected = visible(&|post| post.author_id == OWN && wanted.contains(&post.status));
        assert_eq!(list(&query).await, expected, "{who}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_refused_and_not_taken_for_nobody() {
    let world = World::start().await;
    let other = World::start().await;
    let foreign = other.token(Role::Admin, OWN);
    for token in ["nonsense", foreign.as_str()] {
        for path in ["/api/universal/post", "/api/universal/post/x", "/api/universal/post/x/history", "/api/users/x"] {
            world.get_as(token, path).await.expect_problem(401, "unauthenticated");
        }
    }
    other.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_post_is_read_whole_and_what_is_neither_id_nor_slug_is_not_found() {
    let world = World::start().await;
    let mut post = post(1);
    post.published_at = Some(at(-5_680_195_200));
    world.insert(std::slice::from_ref(&post)).await;
    world.insert_person(post.author_id, "Ada").await;
    let answer = world.get(&format!("/api/universal/post/{}", post.id)).await.expect(200);
    let expected = serde_json::json!({
        "id": post.id, "type": "article", "title": "Post 1", "content": "Some *text*",
        "html": "<p>Some <em>text</em></p>", "excerpt": null, "tags": [], "category": null, "media": [],
        "status": "published", "author": { "id": post.author_id, "name": "Ada" }, "slug": "post-1",
        "createdAt": "1970-01-01T00:00:01Z", "updatedAt": "1970-01-01T00:00:01Z",
        "publishedAt": "1790-01-01T00:00:00Z", "scheduledAt": null, "likes": 0, "comments": 0, "version": 2,
    });
    assert_eq!(answer.body, expected);
    assert_eq!(world.get("/api/universal/post/post-1").await.expect(200).body, expected);
    for nothing in ["post-2", "%ff", "a%00b", &post.id.simple().to_string(), &Uuid::now_v7().to_string()] {
        world.get(&format!("/api/universal/post/{nothing}")).await.expect_problem(404, "not-found");
        world.get(&format!("/api/universal/post/{nothing}/history")).await.expect_problem(404, "not-found");
    }
    world.end().await;
}

#[tokio::test]
async fn a_history_is_paged_in_the_order_of_versions() {
    let world = World::start().await;
    let post = post(1);
    world.insert(std::slice::from_ref(&post)).await;
    world.insert_events(post.id, 23).await;
    world.insert_events(Uuid::from_u128(99), 3).await;
    let mut versions = Vec::new();
    for page in 1..=3 {
        let path = format!("/api/universal/post/post-1/history?page={page}");
        let answer = world.get(&path).await.expect(200);
        assert_eq!(answer.body["total"], 23);
        assert_eq!(answer.body["totalPages"], 3);
        versions.extend(answer.body["data"].as_array().unwrap().iter().map(|event| event["version"].as_u64().unwrap()));
        if page == 1 {
            assert_eq!(
                answer.body["data"][0],
                serde_json::json!({
                    "version": 1, "type": "groot.post.PostCreated", "time": "1970-01-01T00:00:01Z",
                    "actor": Uuid::from_u128(77), "data": { "title": "Title 1" },
                })
            );
        }
    }
    assert_eq!(versions, (1..=23).collect::<Vec<u64>>());
    world.end().await;
}

#[tokio::test]
async fn a_person_is_read_by_id() {
    let world = World::start().await;
    world.insert_person(OWN, "Ada").await;
    let answer = world.get(&format!("/api/users/{OWN}")).await.expect(200);
    assert_eq!(answer.body, serde_json::json!({ "id": OWN, "name": "Ada" }));
    for nobody in [Uuid::from_u128(6).to_string(), "ada".to_owned()] {
        world.get(&format!("/api/users/{nobody}")).await.expect_problem(404, "not-found");
    }
    world.end().await;
}

#[tokio::test]
async fn the_api_describes_itself() {
    let world = World::start().await;
    let api = world.get("/api/openapi.json").await.expect(200).body;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths: Vec<_> = api["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "/api/analytics/countries",
        "/api/analytics/events-hourly",
        "/api/analytics/live",
        "/api/analytics/overview",
        "/api/analytics/timeseries",
        "/api/analytics/top-authors",
        "/api/analytics/top-posts",
        "/api/projections",
        "/api/search",
        "/api/search/suggest",
        "/api/universal/post",
        "/api/universal/post/{id}",
        "/api/universal/post/{id}/comments",
        "/api/universal/post/{id}/history",
        "/api/users/{id}",
        "/ws/metrics",
    ];
    assert_eq!(paths, expected);
    let docs = world.request("/api/docs/").send().await.unwrap();
    assert_eq!(docs.status(), 200);
    world.get("/ready").await.expect(200);
    world.get("/api/nothing").await.expect_problem(404, "not-found");
    world.end().await;
}
