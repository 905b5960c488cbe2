//! How fresh an answer must be: the headers `Groot-Min-Position`, `Prefer: wait` and `Groot-Stale`.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use service::problem::{FieldError, Problem, ProblemType};
use service::token::{self, PositionToken};

use crate::progress::{Checkpoints, Progress, Waited};

pub const GROOT_MIN_POSITION: HeaderName = HeaderName::from_static("groot-min-position");
pub const GROOT_STALE: HeaderName = HeaderName::from_static("groot-stale");
pub const GROOT_POSITION: HeaderName = HeaderName::from_static("groot-position");

const PREFER: HeaderName = HeaderName::from_static("prefer");
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
const MAX_WAIT_SECONDS: u64 = 10;

/// What the client asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Freshness {
    /// What the answer must reflect; empty if anything will do.
    pub tokens: Vec<PositionToken>,
    pub wait: Duration,
    /// Rather something old than nothing.
    pub stale_allowed: bool,
}

/// What the client gets.
#[derive(Debug, Default)]
pub struct Admission<M> {
    /// The store is to be read as of this moment or later.
    pub moment: M,
    /// The answer was asked to reflect a position and does not.
    pub stale: bool,
}

impl Freshness {
    /// Reads the headers, or says everything that is wrong with them.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut refuse = |field: &str, message: String| errors.push(FieldError::new(field, "invalid", message));

        let mut tokens = Vec::new();
        if let Some(text) = joined(headers, &GROOT_MIN_POSITION) {
            match token::parse_list(&text) {
                Ok(list) => tokens = list,
                Err(error) => refuse("Groot-Min-Position", error.to_string()),
            }
        }
        let mut wait = DEFAULT_WAIT;
        if let Some(text) = joined(headers, &PREFER).as_deref().and_then(wait_preference) {
            let seconds = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            match seconds.and_then(|text| text.parse().ok()) {
                Some(seconds @ 0..=MAX_WAIT_SECONDS) => wait = Duration::from_secs(seconds),
                _ => refuse("Prefer", format!("wait must be whole seconds from 0 to {MAX_WAIT_SECONDS}")),
            }
        }
        let stale = joined(headers, &GROOT_STALE);
        if stale.as_deref().is_some_and(|text| text != "allow") {
            refuse("Groot-Stale", "must be allow, or be left out".into());
        }
        if errors.is_empty() { Ok(Self { tokens, wait, stale_allowed: stale.is_some() }) } else { Err(errors) }
    }

    /// Waits until the answer can be as fresh as it must be.
    pub async fn admit<S: Checkpoints>(&self, progress: &Progress<S>) -> Result<Admission<S::Moment>, Problem> {
        if self.tokens.is_empty() {
            return Ok(Admission::default());
        }
        match progress.wait_for(&self.tokens, self.wait).await {
            Waited::Reached(moment) => Ok(Admission { moment, stale: false }),
            Waited::Behind(moment) if self.stale_allowed => Ok(Admission { moment, stale: true }),
            Waited::Behind(_) => Err(Problem::new(ProblemType::ProjectionBehind).retry_after(Duration::from_secs(1))),
            Waited::OtherLog => Err(Problem::invalid_parameters(vec![FieldError::new(
                "Groot-Min-Position",
                "other-log",
                "names a position in another log than the one served here; leave the header out or read anew",
            )])),
            Waited::Unavailable(error) => Err(error.into()),
        }
    }
}

/// All values of a header as one list; a value that is not text becomes one that no reader takes.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The value of the first `wait` among the preferences; the others are not for us and are passed over (RFC 7240).
fn wait_preference(prefer: &str) -> Option<&str> {
    prefer.split(',').find_map(|preference| {
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&HeaderName, &str)]) -> Result<Freshness, Vec<FieldError>> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Freshness::from_headers(&map)
    }

    fn token(offset: u64) -> PositionToken {
        PositionToken { log_id: 1, partition: 0, offset }
    }

    #[test]
    fn without_headers_anything_will_do() {
        let freshness = read(&[]).unwrap();
        assert_eq!(freshness, Freshness { tokens: vec![], wait: DEFAULT_WAIT, stale_allowed: false });
    }

    #[test]
    fn tokens_are_gathered_from_all_lines_of_the_header() {
        let (first, second) = (format!("{}, {}", token(1), token(2)), token(3).to_string());
        let freshness = read(&[(&GROOT_MIN_POSITION, &first), (&GROOT_MIN_POSITION, &second)]).unwrap();
        assert_eq!(freshness.tokens, [token(1), token(2), token(3)]);
    }

    #[test]
    fn a_wait_is_found_among_other_preferences_and_bounded() {
        let wait = |text| read(&[(&PREFER, text)]).map(|freshness| freshness.wait.as_secs());
        assert_eq!(wait("wait=0"), Ok(0));
        assert_eq!(wait("respond-async, WAIT = \"10\" ; x=y"), Ok(10));
        assert_eq!(wait("return=minimal"), Ok(2));
        for bad in ["wait=11", "wait=-1", "wait=", "wait", "wait=1.5", "wait=soon", "wait=99999999999999999999"] {
            assert_eq!(wait(bad).unwrap_err()[0].field, "Prefer", "{bad}");
        }
    }

    #[test]
    fn every_bad_header_is_named() {
        let errors = read(&[(&GROOT_MIN_POSITION, "x"), (&PREFER, "wait=60"), (&GROOT_STALE, "yes")]).unwrap_err();
        let names: Vec<_> = errors.into_iter().map(|error| error.field).collect();
        assert_eq!(names, ["Groot-Min-Position", "Prefer", "Groot-Stale"]);
    }

    #[test]
    fn a_hundred_tokens_are_taken_and_no_more_over_all_lines() {
        let many = vec![token(1).to_string(); 99].join(",");
        let one = token(2).to_string();
        assert_eq!(read(&[(&GROOT_MIN_POSITION, &many), (&GROOT_MIN_POSITION, &one)]).unwrap().tokens.len(), 100);
        let two = format!("{one},{one}");
        assert!(read(&[(&GROOT_MIN_POSITION, &many), (&GROOT_MIN_POSITION, &two)]).is_err());
    }
}
