//! Headers there and back, and what is wrong with those that describe no event.

use proptest::prelude::*;

use super::*;
use crate::round_trip::time;

fn meta() -> EventMeta {
    let id = |n: u128| Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + n);
    EventMeta {
        id: id(1),
        event_type: "groot.post.PostDeleted".to_owned(),
        aggregate_id: id(2),
        version: 7,
        time: "1790-01-08T10:00:00.012Z".parse().unwrap(),
        command_id: id(3),
        command_hash: CommandHash::of("command"),
        actor: ActorRef::Person(id(4).into()),
        correlation_id: id(5),
        causation_id: id(6),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        source: "/groot/command-api".to_owned(),
    }
}

fn headers(meta: &EventMeta, schema_fp: SchemaFp) -> Vec<(&'static str, Vec<u8>)> {
    let mut headers = Vec::new();
    meta.write_headers(schema_fp, |name, value| headers.push((name, value.to_string().into_bytes())));
    headers
}

fn read(headers: &[(&'static str, Vec<u8>)]) -> Result<(EventMeta, SchemaFp), HeaderError> {
    let get = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_slice());
    EventMeta::from_headers(get)
}

/// What reading says when one header has another value, or none.
fn error_with(name: &'static str, value: Option<&'static [u8]>) -> String {
    let mut headers = headers(&meta(), SchemaFp::of("schema"));
    headers.retain(|(n, _)| *n != name);
    headers.extend(value.map(|value| (name, value.to_vec())));
    read(&headers).unwrap_err().to_string()
}

#[test]
fn the_headers_are_those_of_the_cloudevents_binding_and_a_few_of_ours() {
    let headers = headers(&meta(), SchemaFp::of("schema"));
    let text: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", str::from_utf8(value).unwrap())).collect();
    assert_eq!(
        text,
        [
            "ce_specversion: 1.0",
            "ce_id: 01970000-0000-7000-8000-000000000001",
            "ce_type: groot.post.PostDeleted",
            "ce_source: /groot/command-api",
            "ce_subject: 01970000-0000-7000-8000-000000000002",
            "ce_time: 1790-01-08T10:00:00.012Z",
            "content-type: application/avro",
            "version: 7",
            "command_id: 01970000-0000-7000-8000-000000000003",
            &format!("command_hash: {}", CommandHash::of("command")),
            "actor: 01970000-0000-7000-8000-000000000004",
            "correlation_id: 01970000-0000-7000-8000-000000000005",
            "causation_id: 01970000-0000-7000-8000-000000000006",
            &format!("schema_fp: {}", SchemaFp::of("schema")),
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ]
    );
}

#[test]
fn a_missing_header_is_named() {
    for (name, _) in headers(&meta(), SchemaFp::of("schema")) {
        if name != header::TRACEPARENT && name != header::CONTENT_TYPE {
            assert_eq!(error_with(name, None), format!("the record has no header {name}"));
        }
    }
}

#[test]
fn a_header_that_cannot_be_read_is_named_with_what_is_expected() {
    for (name, value, error) in [
        (header::SPEC_VERSION, b"0.3".as_slice(), "the header ce_specversion is \"0.3\", where 1.0 is expected"),
        (header::ID, b"7", "the header ce_id is \"7\", where a UUID is expected"),
        (header::TYPE, b"", "the header ce_type is \"\", where the full name of an event is expected"),
        (header::VERSION, b"0", "the header version is \"0\", where a whole number from 1 is expected"),
        (header::VERSION, b"-1", "the header version is \"-1\", where a whole number from 1 is expected"),
        (header::TIME, b"yesterday", "the header ce_time is \"yesterday\", where a time in RFC 3339 is expected"),
        (header::ACTOR, b"root", "the header actor is \"root\", where a person's UUID or \"system\" is expected"),
        (header::SOURCE, b"\xff", "the header ce_source is \"\u{FFFD}\", where UTF-8 is expected"),
        (header::TRACEPARENT, b"\xff", "the header traceparent is \"\u{FFFD}\", where UTF-8 is expected"),
        (
            header::SCHEMA_FP,
            b"abc",
            "the header schema_fp is \"abc\", where a SHA-256 digest in 64 hexadecimal digits is expected",
        ),
    ] {
        assert_eq!(error_with(name, Some(value)), error);
    }
}

#[test]
fn an_error_repeats_no_more_than_the_beginning_of_a_long_header() {
    let error = error_with(header::ID, Some(&[b'x'; 100_000]));
    assert!(error.len() < 200, "{error}");
}

prop_compose! {
    fn any_meta()(
        [id, aggregate_id, command_id, correlation_id, causation_id, person] in any::<[u128; 6]>(),
        [event_type, source] in ["\\PC{1,40}", "\\PC{1,40}"],
        version in 1..=u64::MAX,
        time in time(),
        hash in any::<[u8; 32]>(),
        system in any::<bool>(),
        traceparent in prop::option::of("\\PC{0,60}"),
    ) -> EventMeta {
        EventMeta {
            id: Uuid::from_u128(id),
            event_type,
            aggregate_id: Uuid::from_u128(aggregate_id),
            version,
            time,
            command_id: Uuid::from_u128(command_id),
            command_hash: CommandHash::from_bytes(hash),
            actor: if system { ActorRef::System } else { ActorRef::Person(Uuid::from_u128(person).into()) },
            correlation_id: Uuid::from_u128(correlation_id),
            causation_id: Uuid::from_u128(causation_id),
            traceparent,
            source,
        }
    }
}

proptest! {
    #[test]
    fn metadata_comes_back_from_its_headers(meta in any_meta(), fp in any::<[u8; 32]>()) {
        let schema_fp = SchemaFp::from_bytes(fp);
        prop_assert_eq!(read(&headers(&meta, schema_fp)).unwrap(), (meta, schema_fp));
    }

    #[test]
    fn a_time_finer_than_a_millisecond_comes_back_truncated(mut meta in any_meta(), nanos in 0..1_000_000_u32) {
        let coarse = meta.time;
        meta.time += chrono::TimeDelta::nanoseconds(nanos.into());
        let (back, _) = read(&headers(&meta, SchemaFp::of(""))).unwrap();
        prop_assert_eq!(back.time, coarse);
    }
}
