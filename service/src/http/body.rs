//! Request bodies: bounded in size and time, and drained when an answer comes before they were read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Sleep, sleep, timeout};

use super::DRAIN_LIMIT;
use crate::problem::{Problem, ProblemType};

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the body was not complete in time")]
    TooSlow,
    #[error("the body broke off")]
    BrokeOff,
    #[error("there is no room for the body beside those of other requests")]
    NoRoom,
}

/// Reads a whole body. Within the HTTP layer its size and time are bounded.
pub async fn read_body(body: Body) -> Result<Bytes, BodyError> {
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(BodyError::within(&error).unwrap_or(BodyError::BrokeOff)),
    }
}

impl BodyError {
    fn within(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut link = Some(error);
        while let Some(error) = link {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(*found);
            }
            link = error.source();
        }
        None
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit } => {
                Problem::new(ProblemType::BodyTooLarge).detail(format!("The body may have at most {limit} bytes."))
            }
            BodyError::TooSlow => Problem::new(ProblemType::RequestTimeout),
            BodyError::NoRoom => ProblemType::Overloaded.into(),
            BodyError::BrokeOff => {
                Problem::new(ProblemType::MalformedBody).detail("The body ended before it was complete.")
            }
        }
    }
}

/// A body that ends with an error once it is too large or too slow, and hands back what nobody read.
pub(super) struct BoundedBody {
    /// Taken when the rest is handed back.
    inner: Body,
    read: u64,
    limit: u64,
    time: Duration,
    /// Begun when the client first keeps us waiting: most bodies are there already.
    deadline: Option<Pin<Box<Sleep>>>,
    fault: Option<BodyError>,
    held: Arc<Held>,
    hand_back: Option<oneshot::Sender<Rest>>,
}

/// The bytes of a request's body, in the room that the bodies of all requests have. They have it until the request is answered: a route
/// keeps what it has read.
pub(super) struct Held {
    room: Arc<Semaphore>,
    bytes: AtomicUsize,
}

impl Held {
    pub fn none_of(room: &Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self { room: room.clone(), bytes: AtomicUsize::new(0) })
    }

    /// Whether there was room for so many more.
    fn add(&self, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else { return false };
        let Ok(permit) = self.room.try_acquire_many(bytes) else { return false };
        permit.forget();
        self.bytes.fetch_add(bytes as usize, Ordering::Relaxed);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.add_permits(*self.bytes.get_mut());
    }
}

/// What was left of a body when its reader let go of it.
pub(super) struct Rest {
    body: Body,
    /// Bytes that were read before.
    pub read: u64,
    /// What its reader was told went wrong.
    pub fault: Option<BodyError>,
}

impl BoundedBody {
    pub fn new(inner: Body, limit: u64, time: Duration, held: Arc<Held>) -> (Self, oneshot::Receiver<Rest>) {
        let (hand_back, rest) = oneshot::channel();
        let body = Self { inner, read: 0, limit, time, deadline: None, fault: None, held, hand_back: Some(hand_back) };
        (body, rest)
    }

    fn fail<T>(&mut self, fault: BodyError) -> Poll<Option<Result<T, axum::Error>>> {
        self.fault = Some(fault);
        Poll::Ready(Some(Err(axum::Error::new(fault))))
    }
}

impl HttpBody for BoundedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(this.time)));
                ready!(deadline.as_mut().poll(context));
                return this.fail(BodyError::TooSlow);
            }
        };
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => 0,
        };
        this.read += bytes as u64;
        if this.read > this.limit {
            return this.fail(BodyError::TooLarge { limit: this.limit });
        }
        if !this.held.add(bytes) {
            return this.fail(BodyError::NoRoom);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for BoundedBody {
    fn drop(&mut self) {
        if let Some(hand_back) = self.hand_back.take()
            && (self.fault.is_some() || !self.inner.is_end_stream())
        {
            let rest = Rest { body: std::mem::take(&mut self.inner), read: self.read, fault: self.fault };
            // Nobody wants it once the answer is on its way.
            let _ = hand_back.send(rest);
        }
    }
}

impl Rest {
    pub fn of(body: Body) -> Self {
        Self { body, read: 0, fault: None }
    }

    /// Reads on and throws away, to [`DRAIN_LIMIT`] bytes of the whole body and for at most this long. A client
    /// that is still sending would otherwise meet a closed connection instead of its answer.
    pub async fn drain(mut self, time: Duration) {
        let drain = async {
            while self.read <= DRAIN_LIMIT {
                match self.body.frame().await {
                    Some(Ok(frame)) => self.read += frame.data_ref().map_or(0, |data| data.len() as u64),
                    Some(Err(_)) | None => break,
                }
            }
        };
        // Over time or not, what comes next is the answer.
        let _ = timeout(time, drain).await;
    }
}
