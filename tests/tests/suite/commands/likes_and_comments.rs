//! Likes and comments: aggregates of their own in the partition of their post, decided together with it.

use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::token::Role;

use super::process::Instance;
use super::world::{POSTS, World};

fn words(content: &str) -> Value {
    json!({ "content": content })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_like_counts_once_a_person_and_is_taken_back_once() {
    let world = World::new(3).await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    let [author, reader] = [Role::Author, Role::Reader].map(|role| world.token(role));
    let post = world.published_post(base, &author).await;
    let path = format!("{POSTS}/{post}/like");
    let ends = world.ends().await;

    let nothing = world.send(base, "DELETE", &path, &reader, &[], None).await;
    assert_eq!(nothing.is(200).body["version"], 0);
    assert_eq!(world.ends().await, ends, "what is not liked is not taken back");

    let liked = world.send(base, "PUT", &path, &reader, &[], None).await;
    assert_eq!(liked.is(200).body["version"], 1);
    let at_once = (0..10).map(|_| world.send(base, "PUT", &path, &reader, &[], None));
    for again in join_all(at_once).await {
        assert_eq!(again.is(200).body, liked.body);
    }
    let other = world.send(base, "PUT", &path, &author, &[], None).await;
    assert_ne!(other.is(200).id(), liked.id());
    for version in [2, 2] {
        let unliked = world.send(base, "DELETE", &path, &reader, &[], None).await;
        assert_eq!((unliked.is(200).id(), &unliked.body["version"]), (liked.id(), &version.into()));
    }
    assert_eq!(world.history(&liked.id()).await, ["PostLiked", "PostUnliked"]);
    assert_eq!(world.history(&other.id()).await, ["PostLiked"]);
    for record in world.events_of(&liked.id()).await {
        assert_eq!(record.key.as_deref(), Some(post.as_bytes()), "it stands in the partition of its post");
    }
    assert_eq!(world.history(&post).await, ["PostCreated", "PostPublished"], "a post does not grow with its likes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_is_edited_by_its_author_and_deleted_by_its_author_or_an_editor() {
    let world = World::new(3).await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    let [author, reader, stranger, editor] =
        [Role::Author, Role::Reader, Role::Reader, Role::Editor].map(|role| world.token(role));
    let post = world.published_post(base, &author).await;
    let comments = format!("{POSTS}/{post}/comments");
    let add = async || world.send(base, "POST", &comments, &reader, &[], Some(&words("  So *true*\n"))).await;

    let added = add().await;
    assert_eq!(added.is(201).body["version"], 1);
    let comment = format!("{comments}/{}", added.id());
    assert_eq!(added.headers["location"], comment);

    let ends = world.ends().await;
    for token in [&author, &stranger, &editor] {
        world.send(base, "PATCH", &comment, token, &[], Some(&words("Not so"))).await.is_problem(403, "forbidden");
    }
    for token in [&author, &stranger] {
        world.send(base, "DELETE", &comment, token, &[], None).await.is_problem(403, "forbidden");
    }
    let wrong = [("if-match", "\"2\"")];
    for (method, body) in [("PATCH", Some(words("Not so"))), ("DELETE", None)] {
        let answer = world.send(base, method, &comment, &reader, &wrong, body.as_ref()).await;
        answer.is_problem(412, "version-mismatch");
    }
    for body in [words("So *true*"), json!({})] {
        let same = world.send(base, "PATCH", &comment, &reader, &[], Some(&body)).await;
        assert_eq!(same.is(200).body, added.body);
    }
    assert_eq!(world.ends().await, ends, "nothing of it appends anything");

    let edited = world.send(base, "PATCH", &comment, &reader, &[("if-match", "\"1\"")], Some(&words("Not so"))).await;
    assert_eq!(edited.is(200).headers["etag"], "\"2\"");
    let deleted = world.send(base, "DELETE", &comment, &editor, &[], None).await;
    assert_eq!(deleted.is(200).body["version"], 3);
    for (method, body) in [("PATCH", Some(words("Again"))), ("DELETE", None)] {
        world.send(base, method, &comment, &reader, &[], body.as_ref()).await.is_problem(409, "rule-broken");
    }
    let own = format!("{comments}/{}", add().await.id());
    world.send(base, "DELETE", &own, &reader, &[], None).await.is(200);
    assert_eq!(world.history(&added.id()).await, ["CommentAdded", "CommentEdited", "CommentDeleted"]);
    for record in world.events_of(&added.id()).await {
        assert_eq!(record.key.as_deref(), Some(post.as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_published_post_takes_likes_and_comments_and_others_do_not_learn_of_one_that_is_not() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    let [author, reader, editor] = [Role::Author, Role::Reader, Role::Editor].map(|role| world.token(role));
    let post = world.published_post(base, &author).await;
    let path = format!("{POSTS}/{post}");
    let added = world.send(base, "POST", &format!("{path}/comments"), &author, &[], Some(&words("First"))).await;
    let comment = format!("/comments/{}", added.is(201).id());
    let commands = [
        ("PUT", "/like", None),
        ("DELETE", "/like", None),
        ("POST", "/comments", Some(words("c"))),
        ("PATCH", comment.as_str(), Some(words("d"))),
        ("DELETE", comment.as_str(), None),
    ];
    let all = async |token, status, kind| {
        let ends = world.ends().await;
        for (method, rest, body) in &commands {
            let answer = world.send(base, method, &format!("{path}{rest}"), token, &[], body.as_ref()).await;
            answer.is_problem(status, kind);
        }
        assert_eq!(world.ends().await, ends);
    };
    for (method, rest, back) in [("POST", "/unpublish", "/publish"), ("DELETE", "", "/restore")] {
        world.send(base, method, &format!("{path}{rest}"), &author, &[], None).await.is(200);
        all(&author, 409, "rule-broken").await;
        all(&reader, 404, "not-found").await;
        world.send(base, "POST", &format!("{path}{back}"), &author, &[], None).await.is(200);
        world.send(base, "PUT", &format!("{path}/like"), &reader, &[], None).await.is(200);
    }
    world.send(base, "PATCH", &format!("{path}{comment}"), &author, &[], Some(&words("Still here"))).await.is(200);

    // Of what never was, and of a comment that is another post's, nobody finds anything.
    let other = world.published_post(base, &author).await;
    for missing in [
        format!("{POSTS}/{}/like", Uuid::now_v7()),
        format!("{POSTS}/{}{comment}", Uuid::now_v7()),
        format!("{POSTS}/{other}{comment}"),
        format!("{path}/comments/{}", Uuid::now_v7()),
        format!("{path}/comments/{post}"),
    ] {
        world.send(base, "DELETE", &missing, &editor, &[], None).await.is_problem(404, "not-found");
    }
    for (bad, fields) in [
        ("/x/comments/y".to_owned(), vec!["cid", "id"]),
        (format!("/{post}/comments/y"), vec!["cid"]),
        ("/x/like".to_owned(), vec!["id"]),
    ] {
        let answer = world.send(base, "DELETE", &format!("{POSTS}{bad}"), &editor, &[], None).await;
        assert_eq!(answer.is_problem(400, "invalid-parameter").fields(), fields);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_comment_may_not_hold_is_named_and_appends_nothing() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    let reader = world.token(Role::Reader);
    let author = world.token(Role::Author);
    let path = format!("{POSTS}/{}/comments", world.published_post(base, &author).await);
    let added = world.send(base, "POST", &path, &reader, &[], Some(&words(&"é".repeat(10_000)))).await;
    let comment = format!("{path}/{}", added.is(201).id());
    let ends = world.ends().await;
    for (body, fields) in [
        (json!({}), vec!["content"]),
        (words(" \n\t "), vec!["content"]),
        (words(&"é".repeat(10_001)), vec!["content"]),
        (words("a\u{0}b"), vec!["content"]),
        (words("a\r\nb"), vec!["content"]),
        (json!({ "content": 7, "authorId": "me" }), vec!["authorId", "content"]),
        (json!({ "content": null }), vec!["content"]),
    ] {
        let answer = world.send(base, "POST", &path, &reader, &[], Some(&body)).await;
        assert_eq!(answer.is_problem(422, "validation-failed").fields(), fields, "{body}");
        if body != json!({}) {
            let answer = world.send(base, "PATCH", &comment, &reader, &[], Some(&body)).await;
            assert_eq!(answer.is_problem(422, "validation-failed").fields(), fields, "{body}");
        }
    }
    for method in ["PUT", "DELETE"] {
        let path = path.replace("/comments", "/like");
        let answer = world.send(base, method, &path, &reader, &[], Some(&words("c"))).await;
        answer.is_problem(422, "validation-failed");
    }
    let seen = [("if-match", "\"1\"")];
    let answer = world.send(base, "POST", &path, &reader, &seen, Some(&words("c"))).await;
    answer.is_problem(400, "invalid-parameter");
    assert_eq!(world.ends().await, ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_the_first_answer_again_and_another_comment_under_another_post() {
    let world = World::new(3).await;
    let instance = Instance::start(&world).await;
    let [author, reader] = [Role::Author, Role::Reader].map(|role| world.token(role));
    let key = [("idempotency-key", "k")];
    let [one, other] =
        [world.published_post(&instance.base, &author).await, world.published_post(&instance.base, &author).await];
    let comments = |post: &str| format!("{POSTS}/{post}/comments");
    let send = async |base: &str, method: &str, path: &str, body: Option<Value>| {
        world.send(base, method, path, &reader, &key, body.as_ref()).await
    };
    let first = send(&instance.base, "POST", &comments(&one), Some(words("c"))).await;
    let second = send(&instance.base, "POST", &comments(&other), Some(words("c"))).await;
    assert_ne!(first.is(201).id(), second.is(201).id());
    let like = format!("{POSTS}/{one}/like");
    let liked = send(&instance.base, "PUT", &like, None).await;
    world.send(&instance.base, "DELETE", &like, &reader, &[], None).await.is(200);
    world.send(&instance.base, "POST", &format!("{POSTS}/{one}/unpublish"), &author, &[], None).await.is(200);

    instance.kill().await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    // Also where the command would be refused by now: it was made.
    assert_eq!(send(base, "POST", &comments(&one), Some(words("c"))).await.is(201).body, first.body);
    assert_eq!(send(base, "PUT", &like, None).await.is(200).body, liked.body);
    send(base, "POST", &comments(&one), Some(words("d"))).await.is_problem(422, "idempotency-key-reused");
    send(base, "DELETE", &like, None).await.is_problem(422, "idempotency-key-reused");
    assert_eq!(world.history(&first.id()).await, ["CommentAdded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_like_that_raced_with_an_unpublish_came_before_it_or_was_refused() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let base = instance.base.as_str();
    let author = world.token(Role::Author);
    let post = world.published_post(base, &author).await;
    let readers: Vec<_> = (0..40).map(|_| world.token(Role::Reader)).collect();
    let path = format!("{POSTS}/{post}/like");
    let likes = join_all(readers.iter().map(|reader| world.send(base, "PUT", &path, reader, &[], None)));
    let unpublish_path = format!("{POSTS}/{post}/unpublish");
    let unpublish = world.send(base, "POST", &unpublish_path, &author, &[], None);
    let (likes, unpublished) = tokio::join!(likes, unpublish);
    unpublished.is(200);
    let end = world.events_of(&post).await.last().unwrap().offset;
    let mut accepted = 0;
    for like in likes {
        if like.status == 200 {
            accepted += 1;
            let [event] = &world.events_of(&like.id()).await[..] else { panic!("{like:?}") };
            assert!(event.offset < end, "a like came after the post was taken back");
        } else {
            like.is_problem(404, "not-found");
        }
    }
    let liked = world.all_events().await.len() - 3;
    assert_eq!(liked, accepted, "what was refused is not in the log");
}
