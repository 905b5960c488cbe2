use axum::Router;
use axum::routing::get;
use service::health::{Health, Readiness};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::*;

async fn ready(url: &str) -> (u16, Readiness) {
    let response = client().get(url).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn ready_is_what_every_check_says_and_alive_is_not() {
    let health = Health::new();
    let gate = health.gate("partitions", "no partition yet");
    health.check("mongodb", async || Ok(()));
    let server = start(health.routes()).await;
    let url = server.url("/ready");

    let (status, body) = ready(&url).await;
    assert_eq!((status, body.status.as_str()), (503, "not-ready"));
    assert_eq!((body.checks["partitions"].status.as_str(), body.checks["mongodb"].status.as_str()), ("down", "up"));
    assert_eq!(server.get("/health").await.status(), 200);

    gate.open();
    let (status, body) = ready(&url).await;
    assert_eq!((status, body.status.as_str()), (200, "ready"));

    gate.close("lost");
    assert_eq!(ready(&url).await.0, 503);
    gate.open();
    health.stopping();
    assert_eq!(ready(&url).await.0, 503);
    assert_eq!(server.get("/health").await.status(), 200);
}

#[tokio::test]
async fn reasons_are_told_on_the_admin_port_only() {
    let health = Health::new();
    health.check("mongodb", async || Err("secret-host:27017 refused".to_owned()));
    let public = start(health.routes()).await;
    let (_, body) = ready(&public.url("/ready")).await;
    assert_eq!(body.checks["mongodb"].reason, None);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router =
        service::admin::router(&health, METRICS.clone()).merge(Router::new().route("/more", get(async || "more")));
    let server = tokio::spawn(service::admin::serve(listener, router, shutdown.clone()));
    let (_, body) = ready(&format!("http://{address}/ready")).await;
    assert_eq!(body.checks["mongodb"].reason.as_deref(), Some("secret-host:27017 refused"));
    let more = client().get(format!("http://{address}/more")).send().await.unwrap();
    assert_eq!(more.text().await.unwrap(), "more");
    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_counts_as_failed() {
    let health = Health::new();
    health.check("kafka", std::future::pending);
    let readiness = health.readiness().await;
    assert_eq!(readiness.checks["kafka"].reason.as_deref(), Some("no answer within 2 s"));
}

#[tokio::test]
async fn metrics_have_the_names_labels_and_buckets_of_the_contract() {
    let metrics = METRICS.clone();
    let server = start(Router::new().route("/counted/{id}", get(async || "here"))).await;
    for path in ["/counted/1", "/counted/2"] {
        assert_eq!(server.get(path).await.status(), 200);
    }
    client().delete(server.url("/counted/3")).send().await.unwrap();
    assert_eq!(server.get("/strange-path").await.status(), 404);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router = service::admin::router(&Health::new(), metrics);
    let admin = tokio::spawn(service::admin::serve(listener, router, shutdown.clone()));
    // Kept open while asking, so that at least this connection is counted.
    let open = server.connect().await;
    let text = client().get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
    drop(open);

    let line =
        |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"));
    let labels = r#"method="GET",route="/counted/{id}",status_code="200""#;
    assert!(line(&format!("http_requests_total{{{labels}}}")).ends_with(" 2"));
    line(r#"http_requests_total{method="DELETE",route="/counted/{id}",status_code="405"}"#);
    line(r#"http_requests_total{method="GET",route="none",status_code="404"}"#);
    for bound in ["0.1", "0.5", "1"] {
        line(&format!("http_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}}"));
    }
    assert!(!text.contains("strange-path"));
    line("active_connections ");
    shutdown.cancel();
    admin.await.unwrap();
}
