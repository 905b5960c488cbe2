//! Query parameters and path segments: every bad one named at once, unknown ones too.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::json::hyphenated;
use crate::problem::{FieldError, Problem};

/// The parameters of a query, taken one by one. Each reader notes what is wrong and gives `None`; what nobody took is
/// unknown and noted by [`Params::finish`].
#[derive(Debug)]
pub struct Params {
    left: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

/// Something read from the parameters of a query.
pub trait FromParams: Sized {
    /// Reads all parameters, then builds. `None` only when an error was noted.
    fn from_params(params: &mut Params) -> Option<Self>;
}

/// A query that was read into `T` without a single error; otherwise 400 with each bad and each unknown parameter.
#[derive(Debug, Clone)]
pub struct ValidQuery<T>(pub T);

/// The one path segment of a route, which must be a UUID; otherwise 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathUuid(pub Uuid);

/// The path segments of a route, each of which must be a UUID; otherwise 400 with each bad one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathUuids<const N: usize>(pub [Uuid; N]);

/// More errors than this help nobody.
const MAX_ERRORS: usize = 100;

impl Params {
    /// Reads a query string, without its question mark. Parameters that stand twice, and text that is not UTF-8, are
    /// noted as errors.
    pub fn of(query: &str) -> Self {
        let mut params = Self { left: BTreeMap::new(), errors: Vec::new() };
        for (pair, (name, value)) in
            query.split('&').filter(|pair| !pair.is_empty()).zip(form_urlencoded::parse(query.as_bytes()))
        {
            // Decoding puts U+FFFD where the bytes are no UTF-8; only then can it be there without having been sent.
            let sent = pair.to_ascii_uppercase().contains("%EF%BF%BD") || pair.contains('\u{FFFD}');
            if !sent && (name.contains('\u{FFFD}') || value.contains('\u{FFFD}')) {
                params.refuse(&name, "encoding", "This parameter is not UTF-8.");
            } else if params.left.insert(name.to_string(), value.into_owned()).is_some() {
                params.refuse(&name, "duplicate", "This parameter is given more than once; give it once.");
            }
        }
        params
    }

    /// A text that may be left out.
    pub fn opt_string(&mut self, name: &str) -> Option<String> {
        self.left.remove(name)
    }

    /// A whole number within bounds that may be left out.
    pub fn opt_integer(&mut self, name: &str, allowed: RangeInclusive<u64>) -> Option<u64> {
        let text = self.left.remove(name)?;
        // `parse` would take a plus sign, which in a query is a space to begin with.
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let number = number.filter(|number| allowed.contains(number));
        if number.is_none() {
            let message = format!("This must be a whole number from {} to {}.", allowed.start(), allowed.end());
            self.refuse(name, "range", message);
        }
        number
    }

    /// A UUID that may be left out.
    pub fn opt_uuid(&mut self, name: &str) -> Option<Uuid> {
        self.opt_parsed(name, "a UUID", hyphenated)
    }

    /// An RFC 3339 time that may be left out.
    pub fn opt_datetime(&mut self, name: &str) -> Option<DateTime<Utc>> {
        self.opt_parsed(name, "an RFC 3339 time such as 2026-01-31T09:30:00Z", |text| {
            Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
        })
    }

    /// One of a few words that may be left out.
    pub fn opt_choice<T: Clone>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.opt_parsed(name, &format!("one of {}", words.join(", ")), |text| {
            choices.iter().find(|(word, _)| *word == text).map(|(_, value)| value.clone())
        })
    }

    /// A value of the caller's kind that may be left out. `expected` follows "must be".
    pub fn opt_parsed<T>(&mut self, name: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.left.remove(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.refuse(name, "format", format!("This must be {expected}."));
        }
        value
    }

    /// Notes that a parameter breaks a rule of the caller's.
    pub fn refuse(&mut self, name: &str, code: impl Into<std::borrow::Cow<'static, str>>, message: impl Into<String>) {
        self.errors.push(FieldError::new(name, code, message));
    }

    /// Ends the reading: parameters nobody took are errors too.
    pub fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.left).into_keys() {
            self.refuse(&name, "unknown", "There is no such parameter here; leave it out.");
        }
        self.errors.truncate(MAX_ERRORS);
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid_parameters(self.errors)) }
    }

    /// Ends the reading and gives what was built, if there was no error.
    pub fn finish_with<T>(self, built: Option<T>) -> Result<T, Problem> {
        self.finish()?;
        built.ok_or_else(|| Problem::internal("a reader of parameters gave nothing and noted no error"))
    }
}

impl<T: FromParams, S: Send + Sync> FromRequestParts<S> for ValidQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(parts.uri.query().unwrap_or_default());
        let built = T::from_params(&mut params);
        params.finish_with(built).map(Self)
    }
}

/// For a route that takes no parameter at all: any is unknown.
impl FromParams for () {
    fn from_params(_: &mut Params) -> Option<Self> {
        Some(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathUuid {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let PathUuids([id]) = PathUuids::from_request_parts(parts, state).await?;
        Ok(Self(id))
    }
}

impl<const N: usize, S: Send + Sync> FromRequestParts<S> for PathUuids<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let segments = RawPathParams::from_request_parts(parts, state).await.map_err(|_| {
            Problem::invalid_parameters(vec![FieldError::new("", "encoding", "The path is not UTF-8.")])
        })?;
        path_uuids(segments.iter()).map(Self)
    }
}

/// Reads a path segment that must be a UUID; otherwise 400 naming it.
fn path_uuids<'a, const N: usize>(segments: impl Iterator<Item = (&'a str, &'a str)>) -> Result<[Uuid; N], Problem> {
    let mut ids = Vec::with_capacity(N);
    let mut errors = Vec::new();
    for (name, text) in segments {
        match hyphenated(text) {
            Some(id) => ids.push(id),
            None => {
                let message = "This part of the address must be a UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057.";
                errors.push(FieldError::new(name, "format", message));
            }
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid_parameters(errors));
    }
    ids.try_into().map_err(|_| Problem::internal("a route has another number of path parameters than it asks for"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn errors(params: Params) -> Vec<String> {
        let problem = params.finish().unwrap_err();
        assert_eq!(problem.status(), 400);
        let line = |error: &FieldError| format!("{} {}", error.field, error.code);
        problem.field_errors().iter().map(line).collect()
    }

    #[test]
    fn every_bad_and_every_unknown_parameter_is_named_at_once() {
        let mut params = Params::of("page=0&limit=ten&sortBy=colour&author=x&from=now&x=1&y=2&page=1&z=%ff");
        assert_eq!(params.opt_integer("page", 1..=100), Some(1));
        assert_eq!(params.opt_integer("limit", 1..=100), None);
        assert_eq!(params.opt_choice("sortBy", &[("title", 1)]), None);
        assert_eq!(params.opt_uuid("author"), None);
        assert_eq!(params.opt_datetime("from"), None);
        assert_eq!(
            errors(params),
            [
                "page duplicate",
                "z encoding",
                "limit range",
                "sortBy format",
                "author format",
                "from format",
                "x unknown",
                "y unknown"
            ]
        );
    }

    #[test]
    fn good_parameters_are_decoded() {
        let mut params = Params::of("q=caf%C3%A9+au%20lait&limit=10&&mark=%EF%BF%BD&at=2026-01-31T09:30:00%2B01:00");
        assert_eq!(params.opt_string("q").as_deref(), Some("café au lait"));
        assert_eq!(params.opt_string("mark").as_deref(), Some("\u{FFFD}"));
        assert_eq!(params.opt_integer("limit", 1..=100), Some(10));
        assert_eq!(params.opt_datetime("at").unwrap().to_rfc3339(), "2026-01-31T08:30:00+00:00");
        assert_eq!(params.opt_string("absent"), None);
        assert!(params.finish().is_ok());
    }

    #[test]
    fn numbers_are_plain_digits_within_their_bounds() {
        for bad in ["", "0", "101", "-1", "%2B5", "1.5", "1e2", " 5", "99999999999999999999"] {
            let mut params = Params::of(&format!("page={bad}"));
            assert_eq!(params.opt_integer("page", 1..=100), None, "{bad}");
            assert_eq!(errors(params), ["page range"], "{bad}");
        }
    }

    #[test]
    fn every_path_segment_that_is_no_uuid_is_named() {
        const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
        let read = |id, cid| path_uuids::<2>([("id", id), ("cid", cid)].into_iter());
        assert!(read(ID, ID).is_ok());
        for (id, cid, bad) in [("my-post", ID, vec!["id"]), (ID, "1", vec!["cid"]), ("", "x", vec!["id", "cid"])] {
            let problem = read(id, cid).unwrap_err();
            let named: Vec<_> = problem.field_errors().iter().map(|error| error.field.as_str()).collect();
            assert_eq!((problem.status().as_u16(), named), (400, bad));
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_the_reader_panic(query in ".{0,80}") {
            let mut params = Params::of(&query);
            let _ = params.opt_integer("a", 1..=2);
            let _ = params.finish();
        }
    }
}
