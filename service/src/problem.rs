//! Problem details (RFC 9457): the one way this API says that something went wrong.
//!
//! What the client reads and what the log keeps are separate. The public text is the title, the detail and the field
//! errors; the cause given to [`Problem::caused_by`] is logged once, by the HTTP layer, and never answered.

mod catalogue;
mod pages;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use catalogue::ProblemType;
pub use pages::router as pages;

use crate::telemetry::RequestContext;

/// The media type of every error answer.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One field of a request that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where it is: a path such as `tags[3]`, a query parameter, or a header. Empty for the body as a whole.
    pub field: String,
    /// What is wrong, for programs: `required`, `unknown`, `type`, `too-long` and so on.
    pub code: Cow<'static, str>,
    /// What is wrong and what is allowed, for people.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.into(), message: message.into() }
    }
}

/// The body of an error answer, as clients read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// A reference to the page that explains this type of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same sentence for every problem of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time and how to mend it.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// The id under which the log speaks of this request.
    pub trace_id: String,
    /// Every bad field; empty when the problem is not about fields.
    pub errors: Vec<FieldError>,
    /// Seconds to wait before trying again, where waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// An error answer in the making. Small to pass about: its contents are on the heap.
#[derive(Debug, Clone)]
pub struct Problem(Box<Contents>);

#[derive(Debug, Clone)]
struct Contents {
    kind: ProblemType,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Cause>,
}

/// Why a problem came about, for the log only. It travels in the extensions of the response.
#[derive(Debug, Clone)]
pub struct Cause(pub Arc<str>);

/// How long a client is asked to wait when nothing better is known.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

impl Problem {
    /// A problem of this type. Every 503 and 429 asks the client to wait a second unless told otherwise.
    pub fn new(kind: ProblemType) -> Self {
        let waits = matches!(kind.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        Self(Box::new(Contents {
            kind,
            detail: None,
            errors: Vec::new(),
            retry_after: waits.then_some(DEFAULT_RETRY),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// A fault of ours: the client learns only that, the log gets the whole chain of the error.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ProblemType::Internal).caused_by(error)
    }

    /// 422 with every bad field.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        Self::new(ProblemType::ValidationFailed).errors(errors)
    }

    /// 400 with every bad path segment, query parameter or header.
    pub fn invalid_parameters(errors: Vec<FieldError>) -> Self {
        Self::new(ProblemType::InvalidParameter).errors(errors)
    }

    /// 401. `challenge` is the value of `WWW-Authenticate`.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>, challenge: HeaderValue) -> Self {
        Self::new(ProblemType::Unauthenticated).detail(detail).header(WWW_AUTHENTICATE, challenge)
    }

    /// 403 with what would be needed.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemType::Forbidden).detail(detail)
    }

    /// 404 with what was looked for.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemType::NotFound).detail(detail)
    }

    /// 409 with the rule.
    pub fn rule_broken(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemType::RuleBroken).detail(detail)
    }

    /// 503 for a server behind us; `error` goes to the log only.
    pub fn dependency_unavailable(name: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ProblemType::DependencyUnavailable)
            .detail(format!("{name} is not available at the moment. Try again shortly."))
            .caused_by(error)
    }

    /// What happened this time and how to mend it. Public: never the text of an inner error.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a bad field.
    #[must_use]
    pub fn error(mut self, error: FieldError) -> Self {
        self.0.errors.push(error);
        self
    }

    /// Adds bad fields.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors.extend(errors);
        self
    }

    /// How long the client should wait; sent in whole seconds, rounded up, in `Retry-After` and in the body.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Keeps the error and all its sources for the log. They are never answered.
    #[must_use]
    pub fn caused_by(mut self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        self.0.cause = Some(Cause(Arc::from(chain(error.as_ref()))));
        self
    }

    /// The type of the problem.
    pub fn kind(&self) -> ProblemType {
        self.0.kind
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    /// The bad fields named so far.
    pub fn field_errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The body as the client will read it, for the request that is being served by the calling task.
    pub fn body(&self) -> ProblemBody {
        let request = RequestContext::current();
        let kind = self.0.kind;
        ProblemBody {
            kind: kind.uri(),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: match &self.0.detail {
                Some(detail) => detail.to_string(),
                None => kind.entry().cure.to_owned(),
            },
            instance: request.as_ref().map(|r| r.path().to_owned()).unwrap_or_default(),
            trace_id: request.as_ref().map(|r| r.trace().trace_id()).unwrap_or_default(),
            errors: self.0.errors.clone(),
            retry_after: self.0.retry_after.map(whole_seconds),
        }
    }
}

impl From<ProblemType> for Problem {
    fn from(kind: ProblemType) -> Self {
        Self::new(kind)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.kind.title())?;
        if let Some(detail) = &self.0.detail {
            write!(f, " {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        // Caches may keep a 404 or a 410 unless told otherwise, and what was asked for may be there a moment later.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        for (name, value) in self.0.headers {
            headers.append(name, value);
        }
        if let Some(cause) = self.0.cause {
            response.extensions_mut().insert(cause);
        }
        response.extensions_mut().insert(self.0.kind);
        response
    }
}

/// An error and all its sources on one line, the outermost first.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        // Some libraries repeat their source in their own text; saying it twice helps nobody.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
