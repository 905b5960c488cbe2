//! Extractors: who sent the request.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::{Actor, AuthError, Verifier};
use crate::problem::Problem;

/// The person behind the request; without a valid token the answer is 401.
#[derive(Debug, Clone)]
pub struct Authenticated(pub Actor);

/// The person behind the request, if it has a token. A token that is there but not valid is 401, never anonymous.
#[derive(Debug, Clone)]
pub struct MaybeAuthenticated(pub Option<Actor>);

impl<S> FromRequestParts<S> for Authenticated
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match actor(&parts.headers, &Verifier::from_ref(state)) {
            Ok(Some(actor)) => Ok(Self(actor)),
            Ok(None) => Err(AuthError::Missing.into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl<S> FromRequestParts<S> for MaybeAuthenticated
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(actor(&parts.headers, &Verifier::from_ref(state))?))
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let challenge = match error {
            // RFC 6750: no error code where no token was sent.
            AuthError::Missing => HeaderValue::from_static(r#"Bearer realm="groot""#),
            AuthError::Malformed => challenge("the access token is malformed"),
            AuthError::NotTrusted => challenge("the signature is not trusted"),
            AuthError::Expired => challenge("the access token expired"),
            AuthError::WrongKind => challenge("not an access token of this service"),
        };
        let mut sentence = error.to_string();
        if let Some(first) = sentence.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Problem::unauthenticated(format!("{sentence}."), challenge)
    }
}

fn challenge(description: &'static str) -> HeaderValue {
    let text = format!(r#"Bearer realm="groot", error="invalid_token", error_description="{description}""#);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(r#"Bearer realm="groot""#))
}

fn actor(headers: &HeaderMap, verifier: &Verifier) -> Result<Option<Actor>, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    // Two tokens could be read as two different people by two servers on the way.
    if values.next().is_some() {
        return Err(AuthError::Malformed);
    }
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(AuthError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::Malformed);
    }
    verifier.verify(token.trim()).map(Some)
}
