//! JSON bodies: read whole, checked whole, and every bad field named at once.

mod fields;
mod strict;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

pub(crate) use fields::hyphenated;
pub use fields::{Fields, FromFields, FromJson, Nested, Patch};

use crate::http::read_body;
use crate::problem::{Problem, ProblemType};

/// A body that was read into `T` without a single error. Errors are 415 for another media type, 400 for what is not
/// JSON in UTF-8, and 422 with every missing, unknown, doubled or mistyped field.
#[derive(Debug, Clone)]
pub struct ValidJson<T>(pub T);

impl<T: FromFields, S: Send + Sync> FromRequest<S> for ValidJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let mut fields = read_fields(request).await?;
        let built = T::from_fields(&mut fields);
        fields.finish_with(built).map(Self)
    }
}

/// The fields of a body that the route reads by itself.
impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_fields(request).await
    }
}

/// Reads JSON text in UTF-8 into its fields; doubled fields are noted as errors, all others are there to be read.
pub fn parse(bytes: &[u8]) -> Result<Fields, Problem> {
    let malformed = |detail: String| Problem::new(ProblemType::MalformedBody).detail(detail);
    if bytes.is_empty() {
        return Err(malformed("The body is empty; send a JSON object.".to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        malformed(format!("The body is not UTF-8: the byte at {} begins no character.", error.valid_up_to()))
    })?;
    let parsed = strict::parse(text).map_err(|error| malformed(error.to_string()))?;
    Ok(Fields::of(parsed.value, parsed.doubled))
}

async fn read_fields(request: Request) -> Result<Fields, Problem> {
    check_media_type(request.headers())?;
    parse(&read_body(request.into_body()).await?)
}

/// `application/json` and what is built on it, in UTF-8 and not compressed.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |detail: &'static str| Err(Problem::new(ProblemType::UnsupportedMediaType).detail(detail));
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return unsupported("Send the body without Content-Encoding.");
    }
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return unsupported("Send the header Content-Type: application/json.");
    };
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    if media_type != "application/json" && media_type != "application/merge-patch+json" {
        return unsupported("Send the body as application/json, or a patch as application/merge-patch+json.");
    }
    for parameter in parts {
        if let Some(charset) = parameter.strip_prefix("charset=")
            && charset.trim_matches('"') != "utf-8"
        {
            return unsupported("Send the body in UTF-8.");
        }
    }
    Ok(())
}

/// What kind of JSON value it is, for messages.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
