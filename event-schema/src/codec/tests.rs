//! What is decoded, what is refused, and by which error.

use serde_json::{Value, json};

use super::*;
use crate::person::PersonCreated;
use crate::post::{PostCreated, PostDeleted, PostType};

const DELETED: &str = "groot.post.PostDeleted";
const FOREIGN: u32 = 900;

fn person(name: &str) -> DomainEvent {
    PersonCreated { name: name.to_owned() }.into()
}

fn foreign_id(encoded: &Encoded) -> Vec<u8> {
    [&[0], FOREIGN.to_be_bytes().as_slice(), &encoded.value[5..]].concat()
}

/// The current schema of a type, changed.
fn schema(event_type: &str, change: impl FnOnce(&mut Value)) -> String {
    let event = SCHEMAS.iter().find(|event| event.event_type == event_type).unwrap();
    let mut schema = serde_json::from_str(event.versions.last().unwrap()).unwrap();
    change(&mut schema);
    schema.to_string()
}

#[test]
fn another_schema_under_the_id_of_a_value_is_a_mismatch_and_is_not_decoded() {
    let codec = Codec::offline();
    let event = person("Ada");
    let encoded = codec.encode(&event);
    // Of the same name, and it would read the same bytes without an error.
    let other = schema(event.event_type(), |schema| schema["fields"][0]["name"] = json!("nickname"));
    codec.remember(FOREIGN, &other).unwrap();
    let error = codec.decode_cached(event.event_type(), encoded.schema_fp, &foreign_id(&encoded)).unwrap_err();
    let found = canonical::fingerprint(&other).unwrap();
    assert!(
        matches!(error, DecodeError::SchemaMismatch { id: FOREIGN, written, found: f } if written == encoded.schema_fp && f == found),
        "{error}"
    );
    assert!(!error.is_retryable());
}

#[test]
fn the_same_schema_with_other_words_in_its_docs_is_no_mismatch() {
    let codec = Codec::offline();
    let event = person("Ada");
    let encoded = codec.encode(&event);
    codec.remember(FOREIGN, &schema(event.event_type(), |schema| schema["doc"] = json!("other"))).unwrap();
    assert_eq!(codec.decode_cached(event.event_type(), encoded.schema_fp, &foreign_id(&encoded)).unwrap(), event);
}

#[test]
fn a_value_of_another_type_than_its_header_says_is_refused() {
    let codec = Codec::offline();
    let encoded = codec.encode(&person("Ada"));
    let error = codec.decode_cached(DELETED, encoded.schema_fp, &encoded.value).unwrap_err();
    assert!(matches!(error, DecodeError::TypeMismatch { .. }), "{error}");
}

#[test]
fn an_event_that_this_build_does_not_know_is_named() {
    let codec = Codec::offline();
    let encoded = codec.encode(&person("Ada"));
    let error = codec.decode_cached("groot.post.PostLiked", encoded.schema_fp, &encoded.value).unwrap_err();
    assert_eq!(error.to_string(), "this build knows no event groot.post.PostLiked; deploy a newer one");
    assert!(!error.is_retryable());
}

#[test]
fn a_schema_that_was_not_met_yet_may_be_learnt_and_tried_again() {
    let codec = Codec::offline();
    let encoded = codec.encode(&person("Ada"));
    let error =
        codec.decode_cached("groot.person.PersonCreated", encoded.schema_fp, &foreign_id(&encoded)).unwrap_err();
    assert!(matches!(error, DecodeError::NotCached { id: FOREIGN }) && error.is_retryable(), "{error}");
}

#[test]
fn a_value_without_the_prefix_of_the_wire_format_is_refused() {
    let codec = Codec::offline();
    let fp = codec.encode(&PostDeleted {}.into()).schema_fp;
    for value in [b"".as_slice(), &[0, 0, 0, 1], b"{\"json\":1}"] {
        let error = codec.decode_cached(DELETED, fp, value).unwrap_err();
        assert!(matches!(error, DecodeError::NotWireFormat), "{error}");
    }
}

#[test]
fn what_a_newer_version_added_is_dropped_and_the_rest_is_read() {
    let codec = Codec::offline();
    let newer = schema("groot.person.PersonCreated", |schema| {
        let fields = schema["fields"].as_array_mut().unwrap();
        fields.insert(0, json!({ "name": "age", "type": "int", "default": 0 }));
    });
    codec.remember(FOREIGN, &newer).unwrap();
    // The age 36 and the text "Ada".
    let value = [&[0], FOREIGN.to_be_bytes().as_slice(), &[72, 6], b"Ada"].concat();
    let fp = canonical::fingerprint(&newer).unwrap();
    assert_eq!(codec.decode_cached("groot.person.PersonCreated", fp, &value).unwrap(), person("Ada"));
}

#[test]
fn what_an_older_version_lacks_is_filled_from_the_defaults() {
    let codec = Codec::offline();
    let event = PostCreated {
        post_type: PostType::Note,
        title: "a".to_owned(),
        content: "b".to_owned(),
        excerpt: String::new(),
        tags: vec![],
        category: String::new(),
        media: vec![],
        author_id: "00000000-0000-0000-0000-000000000007".parse().unwrap(),
        published_at: None,
    };
    let event_type = "groot.post.PostCreated";
    let older = schema(event_type, |schema| {
        schema["fields"].as_array_mut().unwrap().retain(|field| field.get("default").is_none());
    });
    codec.remember(FOREIGN, &older).unwrap();
    let texts = ["note", "a", "b", "00000000-0000-0000-0000-000000000007"];
    let datum = texts.iter().flat_map(|text| [&[u8::try_from(2 * text.len()).unwrap()], text.as_bytes()].concat());
    let mut value = [&[0], FOREIGN.to_be_bytes().as_slice()].concat();
    value.extend(datum);
    let fp = canonical::fingerprint(&older).unwrap();
    assert_eq!(codec.decode_cached(event_type, fp, &value).unwrap(), event.into());
    let cut = codec.decode_cached(event_type, fp, &value[..value.len() - 1]).unwrap_err();
    value.push(0);
    let longer = codec.decode_cached(event_type, fp, &value).unwrap_err();
    for error in [cut, longer] {
        assert!(matches!(error, DecodeError::Malformed { .. }) && error.is_of_the_value(), "{error}");
    }
}

#[test]
fn a_kind_that_this_build_does_not_know_is_refused_and_not_taken_for_another() {
    let codec = Codec::offline();
    let event_type = "groot.post.PostRestored";
    let fp = crate::schemas::versions(event_type)[0].fp;
    let id = codec.current[event_type].id;
    let value = [&[0], id.to_be_bytes().as_slice(), &[16], b"archived"].concat();
    let error = codec.decode_cached(event_type, fp, &value).unwrap_err();
    assert!(error.to_string().contains("\"archived\" is none of draft, published"), "{error}");
    assert!(matches!(error, DecodeError::UnknownValue { .. }) && !error.is_of_the_value(), "a newer build knows it");
}

#[test]
fn a_value_that_ends_before_its_nulls_is_torn_and_not_of_a_newer_build() {
    let codec = Codec::offline();
    let event_type = "groot.post.PostEdited";
    let fp = crate::schemas::versions(event_type).last().unwrap().fp;
    let id = codec.current[event_type].id;
    let value = [&[0], id.to_be_bytes().as_slice(), &[0]].concat();
    let error = codec.decode_cached(event_type, fp, &value).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
}
