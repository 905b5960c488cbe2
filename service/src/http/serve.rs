//! The server: HTTP/1.1 and HTTP/2 without TLS on one port, bounded in connections and in patience, ending gracefully.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::traffic::OpenConnection;

/// A connection may be this long without a request; also the time a client has for the header of one.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
const MAX_CONNECTIONS: usize = 16_384;
const MAX_HEADER_BYTES: u32 = 64 * 1024;
const MAX_STREAMS: u32 = 256;
/// Other instances pass all their commands on over one connection: those that wait for one partition must leave room for the others.
const MAX_INTERNAL_STREAMS: u32 = 4_096;
/// An HTTP/2 client that does not answer a ping within this time is gone.
const PING: Duration = Duration::from_secs(20);

/// Serves until the token is cancelled, then stops accepting, lets running requests finish and closes idle
/// connections. Dropping the future cuts what still runs. Counts `active_connections`.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    run(listener, router, shutdown, Whose::Clients).await;
}

/// The same for a port whose connections are no clients'.
pub(crate) async fn serve_uncounted(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    run(listener, router, shutdown, Whose::Ours).await;
}

/// Who is at the other end of a port's connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Clients,
    /// Operators, and other instances.
    Ours,
}

async fn run(listener: TcpListener, router: Router, shutdown: CancellationToken, whose: Whose) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    // Owned here and nowhere else: when this future is dropped, the connections are.
    let mut connections = JoinSet::new();
    let accept = async {
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = room.clone().acquire_owned().await else {
                return;
            };
            let Some((stream, peer)) = accept(&listener).await else {
                continue;
            };
            let count = (whose == Whose::Clients).then(OpenConnection::count);
            let connection = serve_connection(stream, peer, router.clone(), graceful.watcher(), whose);
            connections.spawn(async move {
                connection.await;
                drop((permit, count));
            });
        }
    };
    shutdown.run_until_cancelled(accept).await;
    drop(listener);
    graceful.shutdown().await;
    while connections.join_next().await.is_some() {}
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and whole: waiting to fill a packet would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, peer))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            // Out of file descriptors, most likely: without a pause this would spin.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, router: Router, watcher: Watcher, whose: Whose) {
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let asked = asked.clone();
        move |mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().call(request)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_LIMIT).max_buf_size(MAX_HEADER_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(if whose == Whose::Clients { MAX_STREAMS } else { MAX_INTERNAL_STREAMS })
        .max_header_list_size(MAX_HEADER_BYTES);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let connection = watcher.watch(connection);
    tokio::pin!(connection);
    // The time-out for headers begins only once the protocol is known; a client that never says a word, or half a
    // word, is let go here.
    let result = match tokio::time::timeout(IDLE_LIMIT, &mut connection).await {
        Ok(result) => result,
        Err(_) if asked.load(Ordering::Relaxed) => connection.await,
        Err(_) => return,
    };
    if let Err(error) = result {
        tracing::debug!(%error, peer = %peer, "connection ended badly");
    }
}
