use chrono::{DateTime, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::problem::FieldError;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[derive(Debug, PartialEq)]
struct Sample {
    title: String,
    note: Option<String>,
    tags: Vec<String>,
    author: Uuid,
    at: Option<DateTime<Utc>>,
    excerpt: Patch<String>,
    kind: Kind,
    inner: Option<Nested<Inner>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Article,
    Note,
}

#[derive(Debug, PartialEq)]
struct Inner {
    count: u64,
}

impl FromFields for Sample {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let title = fields.string("title");
        if title.as_deref() == Some("") {
            fields.refuse("title", "length", "The title must not be empty.");
        }
        let note = fields.opt_string("note");
        let tags = fields.string_list("tags");
        let author = fields.uuid("author");
        let at = fields.opt_datetime("at");
        let excerpt = fields.patch("excerpt");
        let kind = fields.choice("kind", &[("article", Kind::Article), ("note", Kind::Note)]);
        let inner = fields.optional("inner");
        Some(Self { title: title?, note, tags, author: author?, at, excerpt, kind: kind?, inner })
    }
}

impl FromFields for Inner {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { count: fields.required("count")? })
    }
}

fn read(text: &str) -> Result<Sample, Problem> {
    let mut fields = parse(text.as_bytes())?;
    let built = Sample::from_fields(&mut fields);
    fields.finish_with(built)
}

/// The errors as `field code`, and that the problem is a 422.
fn errors(text: &str) -> Vec<String> {
    let problem = read(text).unwrap_err();
    assert_eq!(problem.kind(), ProblemType::ValidationFailed, "{problem}");
    let line = |error: &FieldError| format!("{} {}", error.field, error.code);
    problem.field_errors().iter().map(line).collect()
}

fn malformed(bytes: &[u8]) -> String {
    let problem = parse(bytes).unwrap_err();
    assert_eq!(problem.kind(), ProblemType::MalformedBody);
    problem.body().detail
}

#[test]
fn a_good_body_is_read_whole() {
    let text = format!(
        r#"{{"title":"T","tags":["a","b"],"author":"{ID}","at":"1790-01-08T01:00:00+01:00",
            "excerpt":null,"kind":"note","inner":{{"count":3}}}}"#
    );
    let sample = read(&text).unwrap();
    assert_eq!(sample.tags, ["a", "b"]);
    assert_eq!(sample.at.unwrap().to_rfc3339(), "1790-01-08T00:00:00+00:00");
    assert_eq!((sample.note, sample.excerpt, sample.kind), (None, Patch::Clear, Kind::Note));
    assert_eq!(sample.inner, Some(Nested(Inner { count: 3 })));
}

#[test]
fn every_bad_field_is_named_at_once() {
    let text = r#"{"title":"","note":1,"tags":["a",2,null],"at":"yesterday","excerpt":[],"kind":"poem",
                   "inner":{"count":-1,"more":1},"colour":"red"}"#;
    assert_eq!(
        errors(text),
        [
            "title length",
            "note type",
            "tags[1] type",
            "tags[2] type",
            "author required",
            "at format",
            "excerpt type",
            "kind choice",
            "inner.count type",
            "inner.more unknown",
            "colour unknown",
        ]
    );
}

#[test]
fn a_field_given_twice_is_named_wherever_it_stands() {
    let text = format!(
        r#"{{"title":"a","title":"b","author":"{ID}","kind":"note","inner":{{"count":1,"count":2,"count":3}}}}"#
    );
    assert_eq!(errors(&text), ["title duplicate", "inner.count duplicate"]);
}

#[test]
fn a_required_field_that_is_null_is_of_a_wrong_type() {
    assert_eq!(errors(&format!(r#"{{"title":null,"author":"{ID}","kind":null}}"#)), ["title type", "kind type"]);
}

#[test]
fn a_body_that_is_no_object_is_one_error() {
    for body in ["[]", "1", "null", "\"text\""] {
        assert_eq!(errors(body), [" type"], "{body}");
    }
}

#[test]
fn a_uuid_has_one_form_only() {
    let simple = ID.replace('-', "");
    for other in [simple.as_str(), &format!("{{{ID}}}"), &format!("urn:uuid:{ID}"), "x"] {
        let text = format!(r#"{{"title":"T","kind":"note","author":"{other}"}}"#);
        assert_eq!(errors(&text), ["author format"], "{other}");
    }
}

#[test]
fn broken_json_is_located() {
    assert_eq!(malformed(b"{\n  \"title\": }"), "The body is not JSON: expected value at line 2, column 12.");
    for broken in ["{", "{}x", "{\"a\":1,}", "{'a':1}", "nul", "\"\\ud800\""] {
        assert!(malformed(broken.as_bytes()).starts_with("The body is not JSON: "), "{broken}");
    }
    assert!(malformed(b"").contains("empty"));
}

#[test]
fn what_is_not_utf8_is_refused_with_its_place() {
    assert!(malformed(b"{\"title\":\"\xff\"}").contains("byte at 10"));
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(strict::MAX_DEPTH).as_bytes()).is_ok());
    assert!(malformed(nested(strict::MAX_DEPTH + 1).as_bytes()).contains("nested more than 32"));
    assert!(malformed("[".repeat(1_000_000).as_bytes()).contains("nested more than 32"));
}

#[test]
fn a_hostile_number_of_errors_or_length_of_names_stays_a_small_answer() {
    let many: Vec<String> = (0..10_000).map(|n| format!("\"{n}\":1")).collect();
    assert_eq!(errors(&format!("{{{}}}", many.join(","))).len(), 101);
    let tags = format!(r#"{{"title":"T","author":"{ID}","kind":"note","tags":[{}1]}}"#, "1,".repeat(10_000));
    assert_eq!(errors(&tags).len(), 101);
    let doubled = format!("{{{}\"a\":1}}", "\"a\":1,".repeat(1000));
    assert!(errors(&doubled).len() <= 101);
    let long = read(&format!("{{\"{}\":1}}", "n".repeat(100_000))).unwrap_err();
    assert!(long.field_errors().iter().all(|error| error.field.len() < 200));
}

#[test]
fn only_json_in_utf8_and_not_compressed_is_taken() {
    let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    };
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/merge-patch+json",
        "application/json;charset=\"utf-8\"",
    ] {
        assert!(check_media_type(&headers(&[("content-type", good)])).is_ok(), "{good}");
    }
    for bad in ["text/plain", "application/jsonx", "application/json; charset=latin1", ""] {
        let problem = check_media_type(&headers(&[("content-type", bad)])).unwrap_err();
        assert_eq!(problem.status(), 415, "{bad}");
    }
    assert!(check_media_type(&headers(&[])).is_err());
    let compressed = headers(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
    assert!(check_media_type(&compressed).is_err());
}

proptest! {
    #[test]
    fn no_body_makes_the_reader_panic(bytes: Vec<u8>) {
        if let Ok(mut fields) = parse(&bytes) {
            let built = Sample::from_fields(&mut fields);
            let _ = fields.finish_with(built);
        }
    }

    #[test]
    fn what_is_taken_is_what_serde_json_reads(text in r#"[\[\]{}",:0-9a-z\\ .-]{0,40}"#) {
        let ours = strict::parse(&text).map(|parsed| parsed.value);
        let theirs = serde_json::from_str::<Value>(&text);
        prop_assert_eq!(ours.ok(), theirs.ok());
    }
}
