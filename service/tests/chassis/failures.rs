use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header::CACHE_CONTROL};
use axum::routing::get;
use service::http::HttpSettings;
use service::params::{PathUuid, ValidQuery};
use service::problem::{Problem, ProblemType};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::*;

#[tokio::test]
async fn an_address_that_is_not_there_is_a_problem_with_instance_and_trace() {
    let server = start(Router::new()).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = client().get(server.url("/nowhere?x=1")).header("traceparent", parent);
    let body = problem(request.send().await.unwrap(), 404, "not-found").await;
    assert_eq!(body.instance, "/nowhere");
    assert_eq!(body.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(body.errors.is_empty());
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_a_problem_that_names_those_that_are() {
    let server = start(Router::new().route("/thing", get(async || "here"))).await;
    let response = client().delete(server.url("/thing")).send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    problem(response, 405, "method-not-allowed").await;
}

#[tokio::test]
async fn inner_texts_are_never_answered() {
    #[derive(Debug, thiserror::Error)]
    #[error("the secret of the outer layer")]
    struct Outer(#[source] std::io::Error);
    let routes = Router::new()
        .route("/internal", get(async || Problem::internal(Outer(std::io::Error::other("inner secret")))))
        .route("/store", get(async || Problem::dependency_unavailable("MongoDB", "secret host")))
        .route("/panic", get(panics))
        .route("/bare", get(async || (StatusCode::INTERNAL_SERVER_ERROR, [(CACHE_CONTROL, "public")], "a secret text")))
        .route("/path/{number}", get(async |Path(_): Path<u8>| "here"));
    let server = start(routes).await;
    for (path, status, slug) in [
        ("/internal", 500, "internal"),
        ("/store", 503, "dependency-unavailable"),
        ("/panic", 500, "internal"),
        ("/bare", 500, "internal"),
        ("/path/secret", 400, "invalid-parameter"),
    ] {
        let body = problem(server.get(path).await, status, slug).await;
        let text = serde_json::to_string(&serde_json::json!({ "title": body.title, "detail": body.detail })).unwrap();
        assert!(!text.contains("secret") && !text.contains("u8"), "{path}: {text}");
    }
}

async fn panics() -> &'static str {
    panic!("a secret of the panic")
}

#[tokio::test]
async fn query_and_path_are_checked_before_the_route_runs() {
    let routes = Router::new()
        .route("/list", get(async |ValidQuery(()): ValidQuery<()>| "here"))
        .route("/posts/{id}", get(async |PathUuid(id): PathUuid| id.to_string()));
    let server = start(routes).await;
    assert_eq!(server.get("/list").await.status(), 200);
    let body = problem(server.get("/list?colour=red&size=1").await, 400, "invalid-parameter").await;
    assert_eq!(body.errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(), ["colour", "size"]);

    let id = Uuid::from_u128(1);
    assert_eq!(server.get(&format!("/posts/{id}")).await.text().await.unwrap(), id.to_string());
    let body = problem(server.get("/posts/my-post").await, 400, "invalid-parameter").await;
    assert_eq!(body.errors[0].field, "id");
    problem(server.get("/posts/%ff").await, 400, "invalid-parameter").await;
}

#[tokio::test]
async fn a_request_too_many_is_turned_away_at_once_and_probes_are_not() {
    let (inside, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (inside, go) = (inside.clone(), go.clone());
        async move || {
            inside.notify_one();
            go.notified().await;
            "done"
        }
    };
    let health = service::health::Health::new();
    let routes = Router::new().route("/slow", get(slow)).merge(health.routes());
    let server = start_with(routes, HttpSettings { max_in_flight: 1, ..HttpSettings::default() }).await;
    let first = tokio::spawn(client().get(server.url("/slow")).send());
    inside.notified().await;
    problem(server.get("/slow").await, 503, "overloaded").await;
    assert_eq!(server.get("/health").await.status(), 200);
    go.notify_one();
    assert_eq!(first.await.unwrap().unwrap().text().await.unwrap(), "done");
    go.notify_one();
    assert_eq!(server.get("/slow").await.status(), 200);
}

#[tokio::test]
async fn a_route_that_hangs_is_given_up() {
    let routes = Router::new().route("/hang", get(async || std::future::pending::<&str>().await));
    let settings = HttpSettings { request_timeout: Duration::from_millis(20), ..HttpSettings::default() };
    let server = start_with(routes, settings).await;
    problem(server.get("/hang").await, 503, "timeout").await;
}

#[tokio::test]
async fn every_type_has_the_page_its_problems_point_at() {
    let server = start(Router::new()).await;
    for kind in ProblemType::ALL {
        let page = server.get(&kind.uri()).await;
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        let text = page.text().await.unwrap();
        assert!(text.contains(kind.title()) && text.contains(kind.status().as_str()), "{text}");
    }
    let index = server.get("/problems").await.text().await.unwrap();
    assert!(ProblemType::ALL.into_iter().all(|kind| index.contains(&kind.uri())));
    problem(server.get("/problems/none-such").await, 404, "not-found").await;
}
