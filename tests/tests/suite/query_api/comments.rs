use read_model::{Comment, DOCUMENTS, PostStatus};
use service::auth::Role;
use uuid::Uuid;

use super::world::{World, at, post};

/// Comments of a post, many of them of the same time, and one of each ten deleted.
fn comments(post_id: Uuid, count: u32) -> Vec<Comment> {
    let comment = |number: u32| Comment {
        id: Uuid::from_u128(u128::from(number.wrapping_mul(2_654_435_761)) << 96 | u128::from(number)),
        post_id,
        author_id: Uuid::from_u128(u128::from(number % 2)),
        content: format!("Comment *{number}*"),
        html: format!("<p>Comment <em>{number}</em></p>\n"),
        created_at: at(i64::from(number % 4)),
        updated_at: at(i64::from(number)),
        deleted_at: number.is_multiple_of(10).then(|| at(99)),
        version: 2,
        partition: 0,
        offset: i64::from(number),
    };
    (1..=count).map(comment).collect()
}

fn standing_in_order(comments: &[Comment]) -> Vec<Uuid> {
    let mut standing: Vec<_> = comments.iter().filter(|comment| comment.deleted_at.is_none()).collect();
    standing.sort_by_key(|comment| (comment.created_at, comment.id));
    standing.into_iter().map(|comment| comment.id).collect()
}

#[tokio::test]
async fn pages_and_cursors_show_every_comment_that_stands_once_and_in_order() {
    let world = World::start().await;
    let (mut of, other) = (post(1), post(2));
    let all = comments(of.id, 43);
    let mut elsewhere = comments(other.id, 3);
    for comment in &mut elsewhere {
        comment.id = Uuid::now_v7();
    }
    let expected = standing_in_order(&all);
    of.comments = expected.len() as i64;
    world.insert(&[of.clone(), other]).await;
    world.insert_comments(&all).await;
    world.insert_comments(&elsewhere).await;
    let path = format!("/api/universal/post/{}/comments", of.id);
    for (order, expected) in [("asc", expected.clone()), ("desc", expected.iter().rev().copied().collect())] {
        let mut paged = Vec::new();
        for page in 1..=4 {
            let query = format!("{path}?sortOrder={order}&limit=10&page={page}");
            let answer = world.get(&query).await.expect(200);
            assert_eq!((&answer.body["total"], &answer.body["totalPages"]), (&39.into(), &4.into()));
            paged.extend(answer.ids());
        }
        assert_eq!(paged, expected);
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = world.get(&format!("{path}?sortOrder={order}&limit=7&cursor={cursor}")).await.expect(200);
            walked.extend(answer.ids());
            match answer.body["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(walked, expected);
    }
    world.end().await;
}

#[tokio::test]
async fn a_comment_shows_its_author_and_its_safe_html_and_its_list_has_a_tag() {
    let world = World::start().await;
    let mut of = post(1);
    of.comments = 1;
    of.likes = 5;
    world.insert(std::slice::from_ref(&of)).await;
    world.insert_person(Uuid::from_u128(1), "Ann").await;
    world.insert_comments(&comments(of.id, 1)).await;
    let path = format!("/api/universal/post/{}/comments", of.slug.as_deref().unwrap());
    let answer = world.get(&path).await.expect(200);
    let comment = &answer.body["data"][0];
    assert_eq!(comment["author"], serde_json::json!({ "id": Uuid::from_u128(1), "name": "Ann" }));
    assert_eq!(comment["html"], "<p>Comment <em>1</em></p>\n");
    assert_eq!((&comment["version"], &comment["createdAt"]), (&2.into(), &"1970-01-01T00:00:01Z".into()));
    let again = world.request(&path).header("If-None-Match", answer.header("etag"));
    super::world::Answer::of(again).await.expect(304);

    let one = world.get(&format!("/api/universal/post/{}", of.id)).await.expect(200).body;
    assert_eq!((&one["likes"], &one["comments"]), (&5.into(), &1.into()));
    let list = world.get("/api/universal/post").await.expect(200).body;
    assert_eq!((&list["data"][0]["likes"], &list["data"][0]["comments"]), (&5.into(), &1.into()));
    world.end().await;
}

#[tokio::test]
async fn comments_are_for_those_who_may_see_their_post() {
    let world = World::start().await;
    let author = Uuid::from_u128(1);
    let [mut draft, mut deleted] = [post(1), post(2)];
    draft.status = PostStatus::Draft;
    deleted.status = PostStatus::Deleted;
    world.insert(&[draft.clone(), deleted.clone()]).await;
    let [reader, own, editor] =
        [(Role::Reader, Uuid::now_v7()), (Role::Author, author), (Role::Editor, Uuid::now_v7())]
            .map(|(role, id)| world.token(role, id));
    let path = |post: &read_model::Post| format!("/api/universal/post/{}/comments", post.id);
    for hidden in [&draft, &deleted] {
        world.get(&path(hidden)).await.expect_problem(404, "not-found");
        world.get_as(&reader, &path(hidden)).await.expect_problem(404, "not-found");
    }
    for token in [&own, &editor] {
        world.get_as(token, &path(&draft)).await.expect(200);
        world.get_as(token, &path(&deleted)).await.expect_problem(410, "gone");
    }
    world.get("/api/universal/post/nothing-here/comments").await.expect_problem(404, "not-found");
    world.end().await;
}

#[tokio::test]
async fn bad_parameters_are_each_named() {
    let world = World::start().await;
    world.insert(&[post(1)]).await;
    let path = "/api/universal/post/post-1/comments";
    for (query, fields) in [
        ("page=0&limit=0&sortOrder=up", vec!["limit", "page", "sortOrder"]),
        ("sortBy=likes", vec!["sortBy"]),
        ("cursor=nonsense", vec!["cursor"]),
        ("cursor=&page=1", vec!["cursor"]),
    ] {
        let answer = world.get(&format!("{path}?{query}")).await.expect_problem(400, "invalid-parameter");
        assert_eq!(answer.bad_fields(), fields, "{query}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_page_of_comments_is_a_walk_along_an_index() {
    let world = World::start().await;
    let of = post(1);
    world.insert(std::slice::from_ref(&of)).await;
    world.insert_comments(&comments(of.id, 43)).await;
    world.watch_queries().await;
    for query in ["limit=5", "limit=5&sortOrder=desc", "limit=5&cursor="] {
        world.get(&format!("/api/universal/post/post-1/comments?{query}")).await.expect(200);
    }
    let queries = world.queries_of(&DOCUMENTS.comments()).await;
    assert_eq!(queries.len(), 3);
    for query in queries {
        let examined = query.get_i32("docsExamined").unwrap();
        assert!(examined <= 6 && !query.contains_key("hasSortStage"), "{query}");
    }
    world.end().await;
}
