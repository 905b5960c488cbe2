use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::*;

#[tokio::test]
async fn http2_without_tls_is_served_on_the_same_port() {
    let server = start(Router::new().route("/", get(async || "here"))).await;
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let response = http2.get(server.url("/")).send().await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    assert_eq!(server.get("/").await.version(), reqwest::Version::HTTP_11);
}

#[tokio::test]
async fn shutting_down_finishes_what_runs_and_accepts_nothing_new() {
    let (inside, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (inside, go) = (inside.clone(), go.clone());
        async move || {
            inside.notify_one();
            go.notified().await;
            "finished"
        }
    };
    let mut server = start(Router::new().route("/slow", get(slow)).route("/", get(async || "here"))).await;

    // A connection that has been used and now idles.
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    read_until(&mut idle, "here").await;
    // One that has not said a word.
    let mut silent = server.connect().await;

    let running = tokio::spawn(client().get(server.url("/slow")).send());
    inside.notified().await;
    server.shutdown.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut silent).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(!server.ended.is_finished());

    go.notify_one();
    assert_eq!(running.await.unwrap().unwrap().text().await.unwrap(), "finished");
    tokio::time::timeout(PATIENCE, &mut server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn nonsense_on_the_wire_leaves_the_server_well() {
    let server = start(Router::new().route("/", get(async || "here"))).await;
    let long_header = format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    for nonsense in ["\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET\r\n\r\n", &long_header] {
        let mut stream = server.connect().await;
        let _ = stream.write_all(nonsense.as_bytes()).await;
        let mut answer = Vec::new();
        // The server may close while bytes are under way; that it ends is what counts.
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
        let _ = tokio::time::timeout(PATIENCE, read).await.unwrap();
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    }
    assert_eq!(server.get("/").await.status(), 200);
}
