//! What every read has in common: who asks, how fresh it must be, and how the answer may be kept.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use service::auth::{MaybeAuthenticated, Verifier};
use service::params::{FromParams, Params};
use service::problem::{FieldError, Problem};
use service::token::PositionToken;

use crate::analytics::Figures;
use crate::etag;
use crate::freshness::{Admission, Freshness, GROOT_POSITION, GROOT_STALE};
use crate::posts::by_id::cache::PostCache;
use crate::posts::list::query::Totals;
use crate::progress::{Checkpoints, Progress};
use crate::projections::Projectors;
use crate::search::Searches;
use crate::store::{Session, Store};
use crate::viewer::Viewer;

/// What the routes share. Cheap to clone, which a request does several times on its way.
#[derive(Clone)]
pub struct Reads(Arc<Readers>);

pub struct Readers {
    pub store: Store,
    pub progress: Progress<Store>,
    pub posts: PostCache,
    pub totals: Totals,
    pub search: Searches,
    pub projectors: Projectors,
    pub analytics: Figures,
    pub verifier: Verifier,
}

impl From<Readers> for Reads {
    fn from(readers: Readers) -> Self {
        Self(Arc::new(readers))
    }
}

impl Deref for Reads {
    type Target = Readers;

    fn deref(&self) -> &Readers {
        &self.0
    }
}

impl FromRef<Reads> for Verifier {
    fn from_ref(reads: &Reads) -> Self {
        reads.verifier.clone()
    }
}

/// A read as it was asked for; nothing of it is checked but the token.
pub struct ReadRequest {
    pub reads: Reads,
    viewer: Viewer,
    anonymous: bool,
    params: Params,
    /// Or what is wrong with it.
    freshness: Result<Freshness, Vec<FieldError>>,
    if_none_match: Option<String>,
    uri: Uri,
}

/// A read whose parameters and headers are good.
pub struct Asked {
    freshness: Freshness,
    pub viewer: Viewer,
    anonymous: bool,
    if_none_match: Option<String>,
    uri: Uri,
}

/// A read that may go on: its session sees what the client asked to be seen.
pub struct Read {
    pub session: Session,
    pub viewer: Viewer,
    /// Where the answer need not reflect any position.
    pub totals: Option<Totals>,
    progress: Progress<Store>,
    reply: Reply,
}

/// How an answer goes out.
pub struct Reply {
    keeping: Keeping,
    stale: bool,
    if_none_match: Option<String>,
}

/// The bytes of an answer, and their ETag.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub body: Bytes,
    tag: HeaderValue,
}

/// Who may keep the answer, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    /// The same for everybody.
    Public,
    /// Depends on who asks.
    Personal,
    /// Asked for at a certain position: another time it would be another answer.
    Not,
}

impl FromRequestParts<Reads> for ReadRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, reads: &Reads) -> Result<Self, Problem> {
        let MaybeAuthenticated(actor) = MaybeAuthenticated::from_request_parts(parts, reads).await?;
        Ok(Self {
            reads: reads.clone(),
            viewer: Viewer::of(actor.as_ref()),
            anonymous: actor.is_none(),
            params: Params::of(parts.uri.query().unwrap_or_default()),
            freshness: Freshness::from_headers(&parts.headers),
            if_none_match: etag::if_none_match(&parts.headers),
            uri: parts.uri.clone(),
        })
    }
}

impl ReadRequest {
    /// Checks the parameters and headers, naming every bad one, and waits until the documents are where they must be.
    pub async fn open<P: FromParams>(self) -> Result<(P, Read), Problem> {
        let reads = self.reads.clone();
        let (params, asked) = self.check()?;
        let (viewer, totals) = (asked.viewer, asked.takes_what_is_there().then(|| reads.totals.clone()));
        let (moment, reply) = asked.admit(&reads.progress).await?;
        let session = reads.store.session(&moment).await?;
        Ok((params, Read { session, viewer, totals, progress: reads.progress.clone(), reply }))
    }

    /// Checks the parameters and headers, naming every bad one.
    pub fn check<P: FromParams>(mut self) -> Result<(P, Asked), Problem> {
        let built = P::from_params(&mut self.params);
        let (params, freshness) = match (self.params.finish_with(built), self.freshness) {
            (Ok(params), Ok(freshness)) => (params, freshness),
            (Ok(_), Err(errors)) => return Err(Problem::invalid_parameters(errors)),
            (Err(problem), freshness) => {
                return Err(problem.errors(freshness.err().unwrap_or_default()));
            }
        };
        let Self { viewer, anonymous, if_none_match, uri, .. } = self;
        Ok((params, Asked { freshness, viewer, anonymous, if_none_match, uri }))
    }
}

impl Asked {
    /// Whether an answer need not reflect any position.
    pub fn takes_what_is_there(&self) -> bool {
        self.freshness.tokens.is_empty()
    }

    /// Path and query, as they were asked.
    pub fn question(&self) -> String {
        self.uri.to_string()
    }

    /// Waits until a projection is where it must be for the answer.
    pub async fn admit<S: Checkpoints>(self, progress: &Progress<S>) -> Result<(S::Moment, Reply), Problem> {
        let Admission { moment, stale } = self.freshness.admit(progress).await?;
        let keeping = match (self.freshness.tokens.is_empty(), self.anonymous) {
            (false, _) => Keeping::Not,
            (true, true) => Keeping::Public,
            (true, false) => Keeping::Personal,
        };
        Ok((moment, Reply { keeping, stale, if_none_match: self.if_none_match }))
    }
}

impl Reply {
    /// For what is another answer a moment later.
    pub fn not_kept(self) -> Self {
        Self { keeping: Keeping::Not, ..self }
    }

    /// The answer with its ETag, or 304 if the client has it already. `version` is that of the aggregate.
    pub fn with(self, body: &impl Serialize, version: Option<u64>) -> Result<Response, Problem> {
        Ok(self.rendered(&Rendered::of(body, version)?))
    }

    /// The same of what is rendered already.
    pub fn rendered(self, Rendered { body, tag }: &Rendered) -> Response {
        let is_unchanged = |header: &str| tag.to_str().is_ok_and(|tag| etag::matches(header, tag));
        let mut response = if self.if_none_match.as_deref().is_some_and(is_unchanged) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.clone()).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, tag.clone());
        headers.insert(header::CACHE_CONTROL, self.keeping.header());
        // A cache must not give what it kept for one person to another, nor what is old to a read that names a position.
        headers.append(header::VARY, HeaderValue::from_static("authorization, groot-min-position"));
        if self.stale {
            headers.insert(GROOT_STALE, HeaderValue::from_static("true"));
        }
        response
    }
}

impl Rendered {
    /// `version` is that of the aggregate.
    pub fn of(body: &impl Serialize, version: Option<u64>) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(Problem::internal)?;
        let tag = HeaderValue::try_from(etag::of(version, &body)).map_err(Problem::internal)?;
        // As long as it is and no longer: some are kept.
        Ok(Self { body: body.into_boxed_slice().into(), tag })
    }
}

impl Read {
    /// As [`Reply::with`].
    pub fn answer(self, body: &impl Serialize, version: Option<u64>) -> Result<Response, Problem> {
        self.reply.with(body, version)
    }

    /// The same for what stands at one place of the log; the answer names that place for later reads.
    pub async fn answer_at(
        self,
        body: &impl Serialize,
        version: u64,
        partition: u32,
        offset: i64,
    ) -> Result<Response, Problem> {
        let response = self.reply.with(body, Some(version))?;
        located(response, &self.progress, partition, offset).await
    }
}

/// The answer with the name of the place in the log that it shows.
pub async fn located(
    mut response: Response,
    progress: &Progress<Store>,
    partition: u32,
    offset: i64,
) -> Result<Response, Problem> {
    if let (Some(log_id), Ok(offset)) = (progress.log_id().await, u64::try_from(offset)) {
        let position = PositionToken { log_id, partition, offset }.to_string();
        response.headers_mut().insert(GROOT_POSITION, HeaderValue::try_from(position).map_err(Problem::internal)?);
    }
    Ok(response)
}

impl Keeping {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Keeping::Public => "public, max-age=300, stale-while-revalidate=60",
            Keeping::Personal => "private, max-age=60",
            Keeping::Not => "no-store",
        })
    }
}
