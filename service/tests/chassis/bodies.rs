use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use service::http::{BODY_LIMIT, HttpSettings};
use service::json::{Fields, FromFields, ValidJson};
use service::problem::{Problem, ProblemBody};
use tokio::io::AsyncWriteExt;

use crate::support::*;

struct Note {
    text: String,
}

impl FromFields for Note {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { text: fields.string("text")? })
    }
}

fn routes() -> Router {
    Router::new()
        .route("/json", post(async |ValidJson(note): ValidJson<Note>| note.text.len().to_string()))
        .route("/bytes", post(async |body: Bytes| body.len().to_string()))
        .route("/unread", post(async || Problem::forbidden("Not you.")))
}

/// A JSON note of exactly this many bytes.
fn note(bytes: u64) -> Vec<u8> {
    let frame = r#"{"text":""}"#.len();
    format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes as usize - frame)).into_bytes()
}

fn head(path: &str, more: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\n{more}\r\n")
        .into_bytes()
}

fn with_length(path: &str, body: &[u8]) -> Vec<u8> {
    [&head(path, &format!("Content-Length: {}\r\n", body.len())), body].concat()
}

fn chunked(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = head(path, "Transfer-Encoding: chunked\r\n");
    for chunk in body.chunks(64 * 1024) {
        request.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    request
}

fn refused(answer: &str, status: u16, slug: &str) -> ProblemBody {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let body = raw_problem(answer);
    assert_eq!(body.kind, format!("/problems/{slug}"));
    body
}

#[tokio::test]
async fn a_body_of_two_mebibytes_is_taken_and_one_byte_more_is_not() {
    let server = start(routes()).await;
    for path in ["/json", "/bytes"] {
        for send in [with_length, chunked] {
            let answer = server.raw(&send(path, &note(BODY_LIMIT))).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            let answer = server.raw(&send(path, &note(BODY_LIMIT + 1))).await;
            refused(&answer, 413, "body-too-large");
        }
    }
    let answer = server.raw(&with_length("/json", &note(BODY_LIMIT + 1))).await;
    assert!(raw_problem(&answer).detail.contains("2097152"));
}

#[tokio::test]
async fn a_client_that_sends_seven_mebibytes_gets_to_read_why_not() {
    let server = start(routes()).await;
    for send in [with_length, chunked] {
        let body = note(7 * 1024 * 1024);
        refused(&server.raw(&send("/json", &body)).await, 413, "body-too-large");
        refused(&server.raw(&send("/bytes", &body)).await, 413, "body-too-large");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_read_is_readable_too() {
    let server = start(routes()).await;
    for send in [with_length, chunked] {
        refused(&server.raw(&send("/unread", &note(BODY_LIMIT))).await, 403, "forbidden");
        refused(&server.raw(&send("/nowhere", &note(BODY_LIMIT))).await, 404, "not-found");
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_no_without_sending() {
    let server = start(routes()).await;
    for (path, length, status, slug) in
        [("/json", BODY_LIMIT + 1, 413, "body-too-large"), ("/unread", 10, 403, "forbidden")]
    {
        let more = format!("Content-Length: {length}\r\nExpect: 100-continue\r\n");
        let answer = server.raw(&head(path, &more)).await;
        refused(&answer, status, slug);
    }
    let mut stream = server.connect().await;
    let body = note(100);
    stream.write_all(&head("/json", "Content-Length: 100\r\nExpect: 100-continue\r\n")).await.unwrap();
    read_until(&mut stream, "100 Continue").await;
    stream.write_all(&body).await.unwrap();
    assert!(read_to_end(&mut stream).await.contains("200 OK"));
}

#[tokio::test]
async fn of_the_bodies_of_all_requests_there_is_only_so_much_at_a_time() {
    let settings = HttpSettings { bodies_limit: 100_000, ..HttpSettings::default() };
    let server = start_with(routes(), settings).await;
    let (first, second) = (note(90_000), with_length("/bytes", &note(30_000)));
    let mut slow = server.connect().await;
    slow.write_all(&head("/bytes", &format!("Content-Length: {}\r\n", first.len()))).await.unwrap();
    slow.write_all(&first[..80_000]).await.unwrap();
    // Once that was read there is no room for a second one.
    let refused = async {
        loop {
            let answer = server.raw(&second).await;
            if !answer.starts_with("HTTP/1.1 200 ") {
                return answer;
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(60), refused).await.expect("there is always room");
    self::refused(&refused, 503, "overloaded");
    assert!(refused.to_lowercase().contains("\r\nretry-after: "), "{refused}");
    slow.write_all(&first[80_000..]).await.unwrap();
    assert!(read_to_end(&mut slow).await.ends_with("90000"));
    let answer = server.raw(&second).await;
    assert!(answer.ends_with("30000"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let settings = HttpSettings { body_timeout: Duration::from_millis(20), ..HttpSettings::default() };
    let server = start_with(routes(), settings).await;
    let answer = server.raw(&head("/json", "Content-Length: 100\r\n")).await;
    refused(&answer, 408, "request-timeout");
    let mut begun = head("/json", "Transfer-Encoding: chunked\r\n");
    begun.extend(b"5\r\n{\"tex\r\n");
    refused(&server.raw(&begun).await, 408, "request-timeout");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_in_its_own_way() {
    let server = start(routes()).await;
    let ask = async |body: Vec<u8>, media_type: &str| {
        let request = client().post(server.url("/json")).header("content-type", media_type);
        request.body(body).send().await.unwrap()
    };
    let json = "application/json";
    problem(ask(b"{\"text\":".to_vec(), json).await, 400, "malformed-body").await;
    problem(ask(b"{\"text\":\"\xff\"}".to_vec(), json).await, 400, "malformed-body").await;
    problem(ask("[".repeat(100_000).into_bytes(), json).await, 400, "malformed-body").await;
    problem(ask(Vec::new(), json).await, 400, "malformed-body").await;
    problem(ask(note(20), "text/plain").await, 415, "unsupported-media-type").await;
    let body = problem(ask(b"{\"text\":1,\"tex\":2}".to_vec(), json).await, 422, "validation-failed").await;
    let named: Vec<String> = body.errors.iter().map(|e| format!("{} {}", e.field, e.code)).collect();
    assert_eq!(named, ["text type", "tex unknown"]);
    let no_type = client().post(server.url("/json")).body(note(20)).send().await.unwrap();
    problem(no_type, 415, "unsupported-media-type").await;
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_the_server_well() {
    let server = start(routes()).await;
    let mut stream = server.connect().await;
    stream.write_all(&head("/json", "Content-Length: 100\r\n")).await.unwrap();
    stream.write_all(b"{\"text\"").await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = read_to_end(&mut stream).await;
    assert!(server.raw(&with_length("/json", &note(20))).await.contains("200 OK"));
}
