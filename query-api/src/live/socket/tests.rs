use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chrono::DateTime;
use futures::StreamExt;
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::*;

/// How long anything that must happen may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn serve() -> (SocketAddr, Sockets) {
    let sockets = Sockets { live: Live::new(), stopping: CancellationToken::new() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/ws/metrics", get(metrics)).with_state(sockets.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, sockets)
}

fn figures(connections: u64) -> Arc<Figures> {
    Arc::new(Figures {
        active_connections: connections,
        requests_per_second: 1.5,
        error_rate: 0.0,
        response_time: 2.0,
        memory_usage: 3,
        cpu_usage: 0.25,
        timestamp: DateTime::UNIX_EPOCH,
    })
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes in time")
}

#[tokio::test]
async fn a_thousand_clients_are_told_the_same() {
    let (address, sockets) = serve().await;
    let url = format!("ws://{address}/ws/metrics");
    let connect = || async { tokio_tungstenite::connect_async(&url).await.unwrap().0 };
    let mut clients = soon(join_all((0..1000).map(|_| connect()))).await;
    for number in 1..=3 {
        assert_eq!(sockets.live.figures.send(figures(number)).unwrap(), 1000);
        for client in &mut clients {
            let text = loop {
                match soon(client.next()).await.unwrap().unwrap() {
                    Frame::Text(text) => break text,
                    Frame::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            };
            let told: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&told["type"], &told["data"]["activeConnections"]), (&"metrics".into(), &number.into()));
            let mut fields: Vec<_> = told["data"].as_object().unwrap().keys().map(String::as_str).collect();
            fields.sort_unstable();
            let contract = [
                "activeConnections",
                "cpuUsage",
                "errorRate",
                "memoryUsage",
                "requestsPerSecond",
                "responseTime",
                "timestamp",
            ];
            assert_eq!(fields, contract);
        }
    }
    sockets.stopping.cancel();
    let last = soon(clients[0].next()).await.unwrap().unwrap();
    assert!(matches!(&last, Frame::Ping(_) | Frame::Close(_)), "{last:?}");
}

#[tokio::test]
async fn a_client_that_answers_nothing_is_dropped_when_it_is_64_messages_behind() {
    let (address, sockets) = serve().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /ws/metrics HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    let (mut sent, mut told) = (0, 0);
    // It reads all that comes, and answers no ping.
    let ended = async {
        loop {
            if told == sent && sockets.live.figures.receiver_count() == 1 {
                sent += 1;
                sockets.live.figures.send(figures(sent)).unwrap();
            }
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
            let needle = br#""type":"metrics""#;
            told = read.windows(needle.len()).filter(|part| part == needle).count() as u64;
        }
    };
    soon(ended).await;
    assert_eq!((told, sent), (64, 65));
    assert!(read.ends_with(b"too far behind"), "it is told why");
}

#[tokio::test]
async fn who_speaks_no_websocket_is_told_so() {
    let (address, _sockets) = serve().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /ws/metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 400") && answer.contains("speaks WebSocket alone"), "{answer}");
}
