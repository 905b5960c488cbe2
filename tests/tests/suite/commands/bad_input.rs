//! What a client gets wrong is told to it, and nothing of it reaches the log.

use serde_json::{Value, json};
use xtask::token::Role;

use super::process::Instance;
use super::world::{Answer, POSTS, Token, World, answer, draft, header_map};

struct Case<'a> {
    what: &'a str,
    method: &'a str,
    path: String,
    headers: Vec<(&'a str, &'a str)>,
    body: Vec<u8>,
    status: u16,
    kind: &'a str,
    fields: Vec<&'a str>,
}

fn create(
    what: &'static str,
    body: impl Into<Vec<u8>>,
    status: u16,
    kind: &'static str,
    fields: &[&'static str],
) -> Case<'static> {
    let json_headers = vec![("content-type", "application/json")];
    Case {
        what,
        method: "POST",
        path: POSTS.into(),
        headers: json_headers,
        body: body.into(),
        status,
        kind,
        fields: fields.to_vec(),
    }
}

fn with(field: &str, value: Value) -> String {
    let mut body = draft();
    body[field] = value;
    body.to_string()
}

async fn send(world: &World, base: &str, token: &Token, case: &Case<'_>) -> Answer {
    let request = world.request(base, case.method, &case.path, token);
    answer(request.headers(header_map(&case.headers)).body(case.body.clone()).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_the_right_4xx_and_appends_nothing() {
    let world = World::new(3).await;
    let instance = Instance::start(&world).await;
    let token = world.token(Role::Editor);
    let post = world.post(&instance.base, &token).await;
    let on_post = |rest: &str| format!("{POSTS}/{post}{rest}");
    let patch = |what, body: &str, status, kind, fields: &[&'static str]| Case {
        method: "PATCH",
        path: on_post(""),
        ..create(what, body, status, kind, fields)
    };
    let bare = |what,
                method,
                path: String,
                headers: &[(&'static str, &'static str)],
                status,
                kind,
                fields: &[&'static str]| Case {
        what,
        method,
        path,
        headers: headers.to_vec(),
        body: Vec::new(),
        status,
        kind,
        fields: fields.to_vec(),
    };
    let invalid = "validation-failed";
    let cases = vec![
        create("broken JSON", r#"{"title": "#, 400, "malformed-body", &[]),
        create("no body", "", 400, "malformed-body", &[]),
        create("a list", "[]", 422, invalid, &[""]),
        create("invalid UTF-8", b"{\"title\": \"\xff\xfe\"}".to_vec(), 400, "malformed-body", &[]),
        create("half a surrogate", r#"{"title":"\ud800","content":"x"}"#, 400, "malformed-body", &[]),
        create("2 MiB + 1", vec![b' '; 2 * 1024 * 1024 + 1], 413, "body-too-large", &[]),
        create("nested too deep", format!("{}{}", "[".repeat(5000), "]".repeat(5000)), 400, "malformed-body", &[]),
        create(
            "wrong types",
            r#"{"type":1,"title":[],"content":{},"tags":"a","media":[1],"publishedAt":5}"#,
            422,
            invalid,
            &["content", "media[0]", "publishedAt", "tags", "title", "type"],
        ),
        create("unknown fields", with("colour", json!("red")), 422, invalid, &["colour"]),
        create("a field given twice", r#"{"title":"a","title":"b","content":"c"}"#, 422, invalid, &["title"]),
        create("nothing in it", "{}", 422, invalid, &["content", "title"]),
        create("10,000 tags", with("tags", json!(vec!["t"; 10_000])), 422, invalid, &["tags"]),
        create(
            "tags that are bad",
            with("tags", json!(["ok", "", "x".repeat(51)])),
            422,
            invalid,
            &["tags[1]", "tags[2]"],
        ),
        create("control characters in the title", with("title", json!("a\u{0}b")), 422, invalid, &["title"]),
        create("control characters in the content", with("content", json!("a\u{1b}[31mb")), 422, invalid, &["content"]),
        create("a carriage return", with("content", json!("a\r\nb")), 422, invalid, &["content"]),
        create("a blank title", with("title", json!("  ")), 422, invalid, &["title"]),
        create("a title of 201 characters", with("title", json!("é".repeat(201))), 422, invalid, &["title"]),
        create("content of 1 MiB + 1", with("content", json!("x".repeat(1024 * 1024 + 1))), 422, invalid, &["content"]),
        create("an author that is no UUID", with("authorId", json!("me")), 422, invalid, &["authorId"]),
        create("a time that is none", with("publishedAt", json!("yesterday")), 422, invalid, &["publishedAt"]),
        create("the year 0", with("publishedAt", json!("0000-01-01T00:00:00Z")), 422, invalid, &["publishedAt"]),
        Case {
            headers: vec![("content-type", "text/plain")],
            ..create("another media type", draft().to_string(), 415, "unsupported-media-type", &[])
        },
        Case {
            path: format!("{POSTS}?draft=1&x=2"),
            ..create("unknown parameters", draft().to_string(), 400, "invalid-parameter", &["draft", "x"])
        },
        Case {
            headers: vec![("content-type", "application/json"), ("idempotency-key", " ")],
            ..create("a blank key", draft().to_string(), 400, "invalid-parameter", &["Idempotency-Key"])
        },
        Case {
            headers: vec![("content-type", "application/json"), ("if-match", "\"1\"")],
            ..create("If-Match on what is not there", draft().to_string(), 400, "invalid-parameter", &["If-Match"])
        },
        Case {
            path: "/api/users".into(),
            ..create("a person by an editor", r#"{"name":"Ada"}"#, 403, "forbidden", &[])
        },
        Case {
            path: "/api/users".into(),
            ..create("a person without a name", r#"{"name":""}"#, 422, invalid, &["name"])
        },
        patch(
            "null where a value must be",
            r#"{"title":null,"content":null,"type":null,"authorId":null}"#,
            422,
            invalid,
            &["authorId", "content", "title", "type"],
        ),
        patch("an unknown type", r#"{"type":"poem"}"#, 422, invalid, &["type"]),
        Case { path: format!("{POSTS}/my-post"), ..patch("a slug for an id", "{}", 400, "invalid-parameter", &["id"]) },
        Case {
            path: format!("{POSTS}/{}", uuid::Uuid::now_v7()),
            ..patch("an id of nothing", r#"{"title":"x"}"#, 404, "not-found", &[])
        },
        Case {
            method: "POST",
            path: on_post("/schedule"),
            ..create("a schedule without a time", "{}", 422, invalid, &["at"])
        },
        Case {
            method: "POST",
            path: on_post("/schedule"),
            ..create("a schedule in the past", r#"{"at":"2020-01-01T00:00:00Z"}"#, 422, invalid, &["at"])
        },
        Case {
            method: "POST",
            path: on_post("/publish"),
            ..create("fields that publish has not", r#"{"when":"now"}"#, 422, invalid, &["when"])
        },
        Case {
            method: "POST",
            path: on_post("/unpublish"),
            ..create("fields that unpublish has not", r#"{"why":"no"}"#, 422, invalid, &["why"])
        },
        bare(
            "garbage in If-Match",
            "DELETE",
            on_post(""),
            &[("if-match", "soon")],
            400,
            "invalid-parameter",
            &["If-Match"],
        ),
        bare(
            "two versions in If-Match",
            "DELETE",
            on_post(""),
            &[("if-match", "\"1\", \"2\"")],
            400,
            "invalid-parameter",
            &["If-Match"],
        ),
        bare("a method that is not taken", "PUT", on_post("/publish"), &[], 405, "method-not-allowed", &[]),
        bare("no such address", "POST", "/api/universal/posts".into(), &[], 404, "not-found", &[]),
    ];
    let before = world.ends().await;
    for case in &cases {
        let answer = send(&world, &instance.base, &token, case).await;
        assert_eq!(answer.status, case.status, "{}: {answer:?}", case.what);
        answer.is_problem(case.status, case.kind);
        if !case.fields.is_empty() {
            assert_eq!(answer.fields(), case.fields, "{}: {answer:?}", case.what);
        }
    }
    assert_eq!(world.ends().await, before, "nothing of it may be appended");
    assert_eq!(world.history(&post).await, ["PostCreated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn markdown_with_script_is_kept_as_it_is_written() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let token = world.token(Role::Author);
    let mut body = draft();
    body["content"] = json!("<script>alert(1)</script>");
    world.send(&instance.base, "POST", POSTS, &token, &[], Some(&body)).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_1_mebibyte_that_cannot_be_compressed_is_stored() {
    let world = World::new(1).await;
    let instance = Instance::start(&world).await;
    let token = world.token(Role::Author);
    let mut body = draft();
    let content: String =
        std::iter::repeat_with(|| char::from(rand::random_range(b'!'..=b'~'))).take(1024 * 1024).collect();
    body["content"] = json!(content);
    let answer = world.send(&instance.base, "POST", POSTS, &token, &[], Some(&body)).await;
    let id = answer.is(201).id();
    let stored = world.events_of(&id).await.remove(0).value.unwrap();
    assert!(stored.windows(64).any(|window| window == &content.as_bytes()[1024 * 1024 - 64..]));
}
