//! W3C Trace Context: which trace a request belongs to, taken over from the caller or begun here.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// The place of a request in a trace. Handlers take it as an extractor, other code by [`TraceContext::current`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl TraceContext {
    /// Begins a new trace.
    pub fn new() -> Self {
        Self { trace_id: nonzero(rand::random), span_id: nonzero(rand::random), flags: 1 }
    }

    /// Reads a `traceparent` value. `None` when it is not one: a bad header starts a new trace, as the standard asks.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        hex(version, 2)?;
        let context = Self {
            trace_id: hex(trace_id, 32)?,
            span_id: u64::try_from(hex(span_id, 16)?).ok()?,
            flags: u8::try_from(hex(flags, 2)?).ok()?,
        };
        (context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    /// The same trace with a span of our own.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: nonzero(rand::random), ..self }
    }

    /// The context of the request the calling task serves, or of a new trace when it serves none.
    pub fn current() -> Self {
        RequestContext::current().map_or_else(Self::new, |request| request.trace())
    }

    /// The trace id as a number.
    pub fn id(&self) -> u128 {
        self.trace_id
    }

    /// 32 lower-case hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The value of a `traceparent` header.
    pub fn traceparent(&self) -> String {
        let mut text = String::with_capacity(55);
        // Writing to a String cannot fail.
        let _ = write!(text, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags);
        text
    }

    pub(crate) fn of_headers(headers: &HeaderMap) -> Self {
        headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse)
            .map_or_else(Self::new, Self::child)
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TraceContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(match RequestContext::current() {
            Some(request) => request.trace(),
            None => Self::of_headers(&parts.headers),
        })
    }
}

/// What is known of the request a task serves; the HTTP layer sets it around every handler.
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Known>);

#[derive(Debug)]
struct Known {
    trace: TraceContext,
    request_id: String,
    path: String,
}

tokio::task_local! {
    static REQUEST: RequestContext;
}

impl RequestContext {
    pub(crate) fn new(trace: TraceContext, request_id: String, path: String) -> Self {
        Self(Arc::new(Known { trace, request_id, path }))
    }

    /// The request the calling task serves, if it serves one.
    pub fn current() -> Option<Self> {
        REQUEST.try_with(Clone::clone).ok()
    }

    /// Runs the future as serving this request.
    pub(crate) async fn scope<F: Future>(self, future: F) -> F::Output {
        REQUEST.scope(self, future).await
    }

    /// The trace the request belongs to.
    pub fn trace(&self) -> TraceContext {
        self.0.trace
    }

    /// The caller's `X-Request-Id` where it sent a usable one, else the trace id.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The path of the request, without its query.
    pub fn path(&self) -> &str {
        &self.0.path
    }
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(lower_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// The standard forbids ids of all zeros.
fn nonzero<T: PartialEq + Default>(mut draw: impl FnMut() -> T) -> T {
    loop {
        let id = draw();
        if id != T::default() {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_reads_back_as_it_was() {
        assert_eq!(TraceContext::parse(PARENT).unwrap().traceparent(), PARENT);
    }

    #[test]
    fn a_child_stays_in_the_trace_with_a_span_of_its_own() {
        let parent = TraceContext::parse(PARENT).unwrap();
        let child = parent.child();
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_ne!(child.span_id, parent.span_id);
    }

    #[test]
    fn what_is_no_traceparent_is_not_taken() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
