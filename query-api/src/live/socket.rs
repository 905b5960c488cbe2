use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use serde_json::json;
use service::http::OpenConnection;
use service::problem::{FieldError, Problem, ProblemBody};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::figures::Figures;
use super::{Live, MOST_BEHIND};

/// Clients have nothing to say but pongs and goodbye.
const LONGEST_MESSAGE: usize = 4 * 1024;

/// What the socket route needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sockets {
    pub live: Live,
    pub stopping: CancellationToken,
}

/// Figures of this process by WebSocket
///
/// A text message each second: `{"type":"metrics","timestamp":...,"data":{"activeConnections":3,"requestsPerSecond":20.0,
/// "errorRate":0.0,"responseTime":5.0,"memoryUsage":73400320,"cpuUsage":0.12,"timestamp":...}}`. `errorRate` is the part answered with 5xx,
/// `responseTime` milliseconds on average, `memoryUsage` bytes, `cpuUsage` the part of all processors. A client that is 64 messages behind
/// is closed with 1013: connect again.
#[utoipa::path(
    get,
    path = "/ws/metrics",
    tag = "live",
    responses(
        (status = 101, description = "The connection is a WebSocket from now on."),
        (status = 400, description = "No request for a WebSocket.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn metrics(
    State(sockets): State<Sockets>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|_| {
        let message =
            "must be websocket: this address speaks WebSocket alone, as new WebSocket(...) does in a browser.";
        Problem::invalid_parameters(vec![FieldError::new("Upgrade", "missing", message)])
    })?;
    let told = sockets.live.figures.subscribe();
    Ok(upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(|socket| async move {
        let _open = OpenConnection::count();
        tell(socket, told, sockets.stopping).await;
    }))
}

/// Tells figures until the client goes, falls behind, or the process ends.
///
/// With each message goes a ping that bears its number. What the client has answered last says how far behind it is, also
/// where the kernels between hold what it does not read.
async fn tell(mut socket: WebSocket, mut told: Receiver<Arc<Figures>>, stopping: CancellationToken) {
    let (mut sent, mut answered) = (0u64, 0u64);
    let why = loop {
        tokio::select! {
            () = stopping.cancelled() => break close(close_code::AWAY, "the server ends"),
            figures = told.recv() => match figures {
                Ok(figures) => {
                    sent += 1;
                    if sent.saturating_sub(answered) > MOST_BEHIND as u64 {
                        break close(close_code::AGAIN, "too far behind");
                    }
                    let ping = Message::Ping(sent.to_be_bytes().to_vec().into());
                    let is_sent = async { socket.send(text(&figures)).await.is_ok() && socket.send(ping).await.is_ok() };
                    // Whoever takes nothing at all is dropped when as much has come as it may be behind.
                    match tokio::time::timeout(std::time::Duration::from_secs(MOST_BEHIND as u64), is_sent).await {
                        Ok(true) => {}
                        Ok(false) | Err(_) => return,
                    }
                }
                Err(RecvError::Lagged(_)) => break close(close_code::AGAIN, "too far behind"),
                Err(RecvError::Closed) => return,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Pong(number))) => {
                    answered = number.as_ref().try_into().map_or(answered, u64::from_be_bytes);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    };
    let _ = socket.send(why).await;
}

fn text(figures: &Figures) -> Message {
    Message::Text(json!({ "type": "metrics", "timestamp": figures.timestamp, "data": figures }).to_string().into())
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

#[cfg(test)]
mod tests;
