use read_model::{DOCUMENTS, Post, PostStatus, PostType};
use service::auth::Role;
use uuid::Uuid;

use super::world::{Answer, World, at, post};

/// Forty-three posts with few distinct keys, so that most have their key in common with others.
fn with_ties() -> Vec<Post> {
    let mut posts: Vec<_> = (1..=43).map(post).collect();
    for (index, post) in posts.iter_mut().enumerate() {
        let index = index as i64;
        post.created_at = at(index % 5);
        post.updated_at = at(index % 3);
        post.published_at = Some(at(-6_000_000_000 + index % 4));
        post.title = format!("Title {}", index % 6);
    }
    posts
}

/// What the store must give, by a sort of our own.
fn sorted(mut posts: Vec<Post>, by: &str, descending: bool) -> Vec<Uuid> {
    let key = |post: &Post| match by {
        "createdAt" => (Some(post.created_at), String::new(), post.id),
        "updatedAt" => (Some(post.updated_at), String::new(), post.id),
        "publishedAt" => (post.published_at, String::new(), post.id),
        _ => (None, post.title.clone(), post.id),
    };
    posts.sort_by_key(key);
    if descending {
        posts.reverse();
    }
    posts.into_iter().map(|post| post.id).collect()
}

async fn all_pages(world: &World, token: &str, query: &str) -> Vec<Uuid> {
    let mut seen = Vec::new();
    for page in 1.. {
        let answer = world.get_as(token, &format!("/api/universal/post?{query}&page={page}")).await.expect(200);
        assert_eq!(answer.body["page"], page);
        seen.extend(answer.ids());
        if page >= answer.body["totalPages"].as_u64().unwrap() {
            assert_eq!(answer.body["total"], seen.len());
            return seen;
        }
    }
    unreachable!("the pages end")
}

async fn next(world: &World, token: &str, query: &str, cursor: &str) -> (Answer, Option<String>) {
    let answer = world.get_as(token, &format!("/api/universal/post?{query}&cursor={cursor}")).await.expect(200);
    let next = answer.body["nextCursor"].as_str().map(str::to_owned);
    (answer, next)
}

async fn walk(world: &World, token: &str, query: &str) -> Vec<Uuid> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (answer, next) = next(world, token, query, &cursor).await;
        seen.extend(answer.ids());
        match next {
            Some(next) => cursor = next,
            None => return seen,
        }
    }
}

#[tokio::test]
async fn pages_and_cursors_show_every_post_once_in_order_even_where_keys_are_equal() {
    let world = World::start().await;
    let posts = with_ties();
    world.insert(&posts).await;
    let reader = world.token(Role::Reader, Uuid::now_v7());
    for by in ["createdAt", "updatedAt", "publishedAt", "title"] {
        for (order, descending) in [("asc", false), ("desc", true)] {
            let expected = sorted(posts.clone(), by, descending);
            let query = format!("sortBy={by}&sortOrder={order}");
            assert_eq!(all_pages(&world, &reader, &format!("{query}&limit=10")).await, expected, "{query}");
            assert_eq!(walk(&world, &reader, &format!("{query}&limit=4")).await, expected, "{query}");
        }
    }
    let by_default = world.get("/api/universal/post?limit=100").await.expect(200);
    assert_eq!(by_default.ids(), sorted(posts, "publishedAt", true));
    world.end().await;
}

#[tokio::test]
async fn a_total_that_was_counted_for_another_is_that_of_the_same_question_and_hides_no_post() {
    let world = World::start().await;
    let note = |number| Post { tags: vec!["war".to_owned()], post_type: PostType::Note, ..post(number) };
    world.insert(&[note(1), note(2)]).await;
    let list = async |query: &str| world.get(&format!("/api/universal/post?{query}")).await.expect(200);
    // A tag that reads like the end of a filter.
    let none = list("tag=war%22%2C%20%22type%22%3A%20%22note&limit=1").await;
    assert_eq!((none.ids().len(), &none.body["total"]), (0, &0.into()));
    let one = list("tag=war&type=note&limit=1").await;
    assert_eq!((one.ids().len(), &one.body["total"]), (1, &2.into()));
    world.insert(&[note(3)]).await;
    let all = list("tag=war&type=note").await;
    assert_eq!((all.ids().len(), &all.body["total"]), (3, &3.into()));
    world.end().await;
}

#[tokio::test]
async fn posts_never_published_have_their_place_in_the_order_too() {
    let world = World::start().await;
    let mut posts = with_ties();
    for post in posts.iter_mut().step_by(3) {
        post.status = PostStatus::Draft;
        post.published_at = None;
    }
    world.insert(&posts).await;
    let editor = world.token(Role::Editor, Uuid::now_v7());
    for (order, descending) in [("asc", false), ("desc", true)] {
        let query = format!("status=draft,published&sortBy=publishedAt&sortOrder={order}&limit=4");
        let expected = sorted(posts.clone(), "publishedAt", descending);
        assert_eq!(walk(&world, &editor, &query).await, expected);
        assert_eq!(all_pages(&world, &editor, &query).await, expected);
    }
    world.end().await;
}

#[tokio::test]
async fn a_walk_by_cursor_shows_each_post_once_whatever_is_inserted_meanwhile() {
    let world = World::start().await;
    let posts = with_ties();
    world.insert(&posts).await;
    let reader = world.token(Role::Reader, Uuid::now_v7());
    let query = "sortBy=createdAt&sortOrder=desc&limit=5";
    let (mut seen, mut cursor, mut number) = (Vec::new(), String::new(), 1000);
    loop {
        let (answer, next) = next(&world, &reader, query, &cursor).await;
        seen.extend(answer.ids());
        // One before everything, one with the key of others, one behind everything.
        let mut more = [post(number), post(number + 1), post(number + 2)];
        more[0].created_at = at(1000);
        more[1].created_at = at(2);
        more[2].created_at = at(-1000);
        if number < 1010 {
            world.insert(&more).await;
        }
        number += 3;
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let mut distinct = seen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "a post was shown twice");
    let first: Vec<_> = posts.iter().map(|post| post.id).collect();
    seen.retain(|id| first.contains(id));
    assert_eq!(seen, sorted(posts, "createdAt", true));
    world.end().await;
}

#[tokio::test]
async fn filters_narrow_the_list_and_count_only_what_they_leave() {
    let world = World::start().await;
    let ada = Uuid::from_u128(5);
    let mut posts: Vec<_> = (1..=12).map(post).collect();
    for (index, post) in posts.iter_mut().enumerate() {
        post.author_id = if index % 2 == 0 { ada } else { Uuid::from_u128(6) };
        post.tags = if index % 3 == 0 { vec!["war".into(), "peace".into()] } else { vec!["peace".into()] };
        post.post_type = if index < 4 { PostType::Note } else { PostType::Link };
        post.published_at = Some(at(-5_680_195_200 + 86_400 * index as i64));
    }
    world.insert(&posts).await;
    let list = async |query: &str| {
        let answer = world.get(&format!("/api/universal/post?sortOrder=asc&limit=5&{query}")).await.expect(200);
        (answer.body["total"].as_u64().unwrap(), answer.body["totalPages"].as_u64().unwrap(), answer.ids())
    };
    let ids = |numbers: &[usize]| numbers.iter().map(|number| posts[*number].id).collect::<Vec<_>>();
    assert_eq!(list(&format!("author={ada}")).await, (6, 2, ids(&[0, 2, 4, 6, 8])));
    assert_eq!(list("tag=war").await, (4, 1, ids(&[0, 3, 6, 9])));
    assert_eq!(list("tag=War").await, (0, 0, vec![]));
    assert_eq!(list("type=note").await, (4, 1, ids(&[0, 1, 2, 3])));
    assert_eq!(list("from=1790-01-02&to=1790-01-04").await, (3, 1, ids(&[1, 2, 3])));
    assert_eq!(list("from=1790-01-11T00:00:00.001Z").await, (1, 1, ids(&[11])));
    assert_eq!(list(&format!("author={ada}&tag=war&type=link&to=1790-01-31")).await, (1, 1, ids(&[6])));
    assert_eq!(list("page=3&type=link").await, (8, 2, vec![]));
    world.end().await;
}

#[tokio::test]
async fn items_carry_their_authors_name_and_no_text() {
    let world = World::start().await;
    let mut posts = [post(1), post(2)];
    posts[0].author_id = Uuid::from_u128(5);
    world.insert_person(Uuid::from_u128(5), "Ada").await;
    world.insert(&posts).await;
    let answer = world.get("/api/universal/post?sortOrder=asc").await.expect(200);
    assert_eq!(answer.body["data"][0]["author"], serde_json::json!({"id": Uuid::from_u128(5), "name": "Ada"}));
    assert_eq!(answer.body["data"][1]["author"]["name"], serde_json::Value::Null);
    assert!(answer.body["data"][0].get("content").is_none());
    world.end().await;
}

#[tokio::test]
async fn bad_parameters_and_headers_are_all_named_at_once() {
    let world = World::start().await;
    let path = "/api/universal/post?page=0&limit=500&sortBy=likes&author=me&colour=red&sortOrder=up&from=x&status=no";
    let request = world.request(path).header("Prefer", "wait=60").header("Groot-Min-Position", "nonsense");
    let answer = Answer::of(request).await.expect_problem(400, "invalid-parameter");
    let expected =
        ["Groot-Min-Position", "Prefer", "author", "colour", "from", "limit", "page", "sortBy", "sortOrder", "status"];
    assert_eq!(answer.bad_fields(), expected);
    let deep = world.get("/api/universal/post?page=101&limit=100").await.expect_problem(400, "invalid-parameter");
    assert_eq!(deep.bad_fields(), ["page"]);
    world.get("/api/universal/post?page=100&limit=100").await.expect(200);
    let id = post(1).id;
    for path in [format!("/api/universal/post/{id}?x=1"), format!("/api/users/{id}?x=1")] {
        assert_eq!(world.get(&path).await.expect_problem(400, "invalid-parameter").bad_fields(), ["x"]);
    }
    let history = format!("/api/universal/post/{id}/history?cursor=&page=x");
    assert_eq!(world.get(&history).await.expect_problem(400, "invalid-parameter").bad_fields(), ["cursor", "page"]);
    world.end().await;
}

#[tokio::test]
async fn a_cursor_is_refused_by_any_other_list() {
    let world = World::start().await;
    world.insert(&with_ties()).await;
    let first = world.get("/api/universal/post?cursor=&limit=5&sortBy=title").await.expect(200);
    let cursor = first.body["nextCursor"].as_str().unwrap();
    world.get(&format!("/api/universal/post?cursor={cursor}&sortBy=title&limit=7")).await.expect(200);
    for other in ["sortBy=createdAt", "sortBy=title&sortOrder=asc", "sortBy=title&tag=war"] {
        let answer = world.get(&format!("/api/universal/post?cursor={cursor}&{other}")).await;
        assert_eq!(answer.expect_problem(400, "invalid-parameter").bad_fields(), ["cursor"], "{other}");
    }
    world.end().await;
}

#[tokio::test]
async fn lists_walk_along_an_index_and_sort_nothing() {
    let world = World::start().await;
    let own = Uuid::from_u128(5);
    let mut posts: Vec<_> = (1..=300).map(post).collect();
    for post in posts.iter_mut().step_by(2) {
        post.tags = vec!["war".into()];
        post.author_id = own;
    }
    for post in posts.iter_mut().step_by(3) {
        post.status = PostStatus::Draft;
    }
    world.insert(&posts).await;
    let author = world.token(Role::Author, own);
    let mut queries = Vec::new();
    for by in ["createdAt", "updatedAt", "publishedAt", "title"] {
        for order in ["asc", "desc"] {
            queries.push(format!("sortBy={by}&sortOrder={order}"));
            queries.push(format!("sortBy={by}&sortOrder={order}&status=draft,published"));
        }
    }
    queries.extend([format!("author={own}"), "tag=war".to_owned(), "type=article&from=1970-01-01".to_owned()]);
    let mut paths = Vec::new();
    for query in queries {
        let (_, cursor) = next(&world, &author, &format!("{query}&limit=60"), "").await;
        paths.push(format!("/api/universal/post?limit=10&{query}&cursor={}", cursor.unwrap()));
        paths.push(format!("/api/universal/post?limit=10&{query}"));
    }
    world.watch_queries().await;
    for path in &paths {
        world.get_as(&author, path).await.expect(200);
    }
    let seen = world.queries_of(&DOCUMENTS.posts()).await;
    assert_eq!(seen.len(), paths.len());
    for query in seen {
        assert!(!query.get_bool("hasSortStage").unwrap_or(false), "sorted in memory: {query}");
        assert!(query.get_str("planSummary").unwrap().starts_with("IXSCAN"), "{query}");
        // Those asked for, one more to see whether the list goes on, and what two merged walks have read ahead.
        assert!(query.get_i32("docsExamined").unwrap() <= 15, "more was read than shown: {query}");
    }
    world.end().await;
}
