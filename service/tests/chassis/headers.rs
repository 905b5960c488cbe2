use axum::Router;
use axum::response::Html;
use axum::routing::{get, post};
use service::http::HttpSettings;
use service::telemetry::TraceContext;

use crate::support::*;

async fn server() -> Server {
    let long = "All work and no play makes a dull text. ".repeat(100);
    let routes = Router::new()
        .route("/page", get(async || Html("<p>page</p>")))
        .route("/long", get(async move || long))
        .route("/trace", get(async |trace: TraceContext| trace.traceparent()))
        .route("/current", post(async || TraceContext::current().trace_id()));
    let origins = vec!["https://blog.example".parse().unwrap()];
    start_with(routes, HttpSettings { allowed_origins: origins, ..HttpSettings::default() }).await
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = server().await;
    for path in ["/page", "/nowhere", "/problems"] {
        let response = server.get(path).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("strict-transport-security"), "max-age=31536000; includeSubDomains; preload");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "strict-origin-when-cross-origin");
    }
}

#[tokio::test]
async fn only_listed_origins_may_call_with_credentials() {
    let server = server().await;
    let preflight = async |origin: &str| {
        let request = client().request(reqwest::Method::OPTIONS, server.url("/page"));
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "authorization,if-match,idempotency-key");
        request.send().await.unwrap()
    };
    let ours = preflight("https://blog.example").await;
    assert_eq!(ours.status(), 200);
    assert_eq!(ours.headers()["access-control-allow-origin"], "https://blog.example");
    assert_eq!(ours.headers()["access-control-allow-credentials"], "true");
    assert_eq!(ours.headers()["access-control-max-age"], "86400");
    assert!(ours.headers()["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
    let allowed = ours.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("if-match") && allowed.contains("idempotency-key"));

    let foreign = preflight("https://evil.example").await;
    assert!(foreign.headers().get("access-control-allow-origin").is_none());

    let refused = client().get(server.url("/nowhere")).header("origin", "https://blog.example");
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://blog.example");
    assert!(refused.headers()["access-control-expose-headers"].to_str().unwrap().contains("etag"));
}

#[tokio::test]
async fn long_answers_are_compressed_as_the_client_wishes() {
    let server = server().await;
    for encoding in ["gzip", "br", "zstd"] {
        let request = client().get(server.url("/long")).header("accept-encoding", encoding);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], encoding);
        assert!(response.bytes().await.unwrap().len() < 1000);
    }
    assert_eq!(server.get("/long").await.bytes().await.unwrap().len(), 4000);
}

#[tokio::test]
async fn a_request_stays_in_the_trace_of_its_caller() {
    let server = server().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let ask = async |value: &str| {
        let request = client().get(server.url("/trace")).header("traceparent", value);
        request.send().await.unwrap().text().await.unwrap()
    };
    let ours = ask(parent).await;
    assert_eq!((&ours[..36], &ours[52..]), (&parent[..36], "-01"));
    assert_ne!(&ours[36..52], &parent[36..52]);
    let begun = ask("nonsense").await;
    assert!(TraceContext::parse(&begun).is_some() && begun[3..35] != parent[3..35]);
    let current = client().post(server.url("/current")).header("traceparent", parent).send().await.unwrap();
    assert_eq!(current.text().await.unwrap(), &parent[3..35]);
}

#[tokio::test]
async fn a_request_has_an_id_its_own_or_the_callers() {
    let server = server().await;
    let ask = async |id: &str| {
        let response = client().get(server.url("/page")).header("x-request-id", id).send().await.unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask("my-request-7").await, "my-request-7");
    assert_eq!(ask("with space").await.len(), 32);
    assert_eq!(ask(&"x".repeat(129)).await.len(), 32);
    assert_eq!(server.get("/page").await.headers()["x-request-id"].len(), 32);
}
