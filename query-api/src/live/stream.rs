use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, stream};
use service::http::OpenConnection;
use tokio::sync::broadcast::error::RecvError;

use super::socket::Sockets;

/// Proxies let go of connections on which nothing comes.
const BREATH: Duration = Duration::from_secs(15);

/// What happens to posts, as server-sent events
///
/// An event `domain` for each: `{"type":"groot.post.PostPublished","aggregateId":"...","time":"...","title":"..."}`; the title is null
/// unless the post is published. What happened before is not told. A client that is 64 events behind is cut off, and a browser connects again
/// by itself.
#[utoipa::path(
    get,
    path = "/api/analytics/live",
    tag = "live",
    responses((status = 200, description = "Events without end.", content_type = "text/event-stream", body = String)),
)]
pub async fn happenings(State(sockets): State<Sockets>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let told = sockets.live.happenings.subscribe();
    let open = OpenConnection::count();
    let events = stream::unfold((told, sockets.stopping, open), |(mut told, stopping, open)| async move {
        let next = stopping.run_until_cancelled(told.recv()).await?;
        match next {
            Ok(happening) => {
                let event = Event::default().event("domain").json_data(&*happening).unwrap_or_default();
                Some((Ok(event), (told, stopping, open)))
            }
            Err(RecvError::Lagged(_) | RecvError::Closed) => None,
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(BREATH))
}
