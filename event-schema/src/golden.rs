//! The golden corpus: for every version of every schema a datum as it was written then, and what it says in JSON. A pair
//! that is there is never written again; what it holds must decode for ever.

use std::fs;
use std::path::PathBuf;

use apache_avro::Schema;
use apache_avro::schema::RecordSchema;
use serde_json::{Value, json};

use crate::codec::Codec;
use crate::comment::{CommentAdded, CommentDeleted, CommentEdited};
use crate::event::{DomainEvent, SCHEMAS};
use crate::hash::SchemaFp;
use crate::like::{PostLiked, PostUnliked};
use crate::person::PersonCreated;
use crate::post::{
    PostCreated, PostDeleted, PostEdited, PostPublished, PostRestored, PostScheduled, PostSlugRefused, PostType,
    PostUnpublished, RestoredStatus,
};
use crate::slug::{SlugConfirmed, SlugReleased, SlugReserved};
use crate::{schemas, wire};

/// Set to `write`, pairs that are missing are written from [`samples`].
const SWITCH: &str = "GROOT_GOLDEN";

/// An event of each type with every field filled. A new version of a schema is written from what stands here then.
fn samples() -> Vec<DomainEvent> {
    let id = |n: u128| uuid::Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + n);
    let time = |text: &str| text.parse().unwrap();
    vec![
        PostCreated {
            post_type: PostType::Article,
            title: "Über Kürbisse 🎃".to_owned(),
            content: "# Kürbisse\n\n\tEine *Liste*:\n\n- einer\n- noch einer\n".to_owned(),
            excerpt: "Alles über Kürbisse".to_owned(),
            tags: vec!["garten".to_owned(), "日本語".to_owned()],
            category: "Gemüse".to_owned(),
            media: vec![id(1), id(2)],
            author_id: id(3).into(),
            published_at: Some(time("1790-01-08T00:00:00.001Z")),
        }
        .into(),
        PostEdited {
            post_type: Some(PostType::Link),
            title: Some("Kürbisse".to_owned()),
            content: Some("[hier](https://example.org)".to_owned()),
            excerpt: Some(String::new()),
            tags: Some(vec![]),
            category: Some("Früchte".to_owned()),
            media: Some(vec![id(4)]),
            author_id: Some(id(5).into()),
            published_at: Some(time("2026-02-03T04:05:06.789Z")),
        }
        .into(),
        PostPublished {
            slug: "kurbisse-0a1b2c3d".to_owned(),
            published_at: time("1969-12-31T23:59:59.999Z"),
            scheduled: true,
        }
        .into(),
        PostUnpublished {}.into(),
        PostScheduled { at: time("2038-01-19T03:14:08Z") }.into(),
        PostDeleted {}.into(),
        PostRestored { status: RestoredStatus::Published }.into(),
        CommentAdded {
            post_id: id(6).into(),
            author_id: id(7).into(),
            content: "So *wahr* 🎃\n\n> Kürbisse".to_owned(),
        }
        .into(),
        CommentEdited { post_id: id(6).into(), content: "Doch nicht".to_owned() }.into(),
        CommentDeleted { post_id: id(6).into() }.into(),
        PostLiked { post_id: id(8).into(), person_id: id(9).into() }.into(),
        PostUnliked { post_id: id(8).into(), person_id: id(9).into() }.into(),
        PersonCreated { name: "Ælfgifu Łukasz".to_owned() }.into(),
        PostSlugRefused { slug: "meine-kurbisse".to_owned(), token: 3 }.into(),
        SlugReserved {
            slug: "meine-kurbisse".to_owned(),
            post_id: id(10).into(),
            token: 4,
            until: time("2026-02-03T04:06:06.789Z"),
        }
        .into(),
        SlugConfirmed { slug: "meine-kurbisse".to_owned(), post_id: id(10).into() }.into(),
        SlugReleased { slug: "meine-kurbisse".to_owned(), post_id: id(10).into(), token: 4 }.into(),
    ]
}

#[test]
fn every_schema_file_is_in_the_table_under_its_name_and_version() {
    let mut files = 0;
    for folder in fs::read_dir(root().join("avro")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let context = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let [event, version, "avsc"] = name.split('.').collect::<Vec<_>>()[..] else {
                panic!("{name} is not named <Event>.v<N>.avsc");
            };
            let event_type = format!("groot.{context}.{event}");
            let version: usize = version.strip_prefix('v').unwrap().parse().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let in_table = SCHEMAS.iter().find(|event| event.event_type == event_type);
            let in_table = in_table.and_then(|event| event.versions.get(version.checked_sub(1)?));
            assert_eq!(in_table.copied(), Some(text.as_str()), "{name} is version {version} in the table of event.rs");
            assert_eq!(Schema::parse_str(&text).unwrap().name().unwrap().fullname(None), event_type);
            files += 1;
        }
    }
    assert_eq!(files, SCHEMAS.iter().map(|event| event.versions.len()).sum::<usize>());
}

#[test]
fn every_version_ever_published_has_a_golden_pair_and_decodes_into_what_it_said() {
    if std::env::var(SWITCH).is_ok_and(|mode| mode == "write") {
        write_missing_pairs();
    }
    let codec = Codec::offline();
    let mut id = 0;
    for event in SCHEMAS {
        for (index, version) in schemas::versions(event.event_type).iter().enumerate() {
            id += 1;
            let pair = pair_of(event.event_type, index + 1);
            let (datum, said) = pair.read();
            let schema_fp: SchemaFp = said["schemaFp"].as_str().unwrap().parse().unwrap();
            assert_eq!(version.fp, schema_fp, "{}: a schema that was published has been changed", pair.name);
            let mut value = wire::begin(id, datum.len());
            value.extend_from_slice(&datum);
            let decoded = codec.decode_cached(event.event_type, schema_fp, &value).unwrap();
            let current = &schemas::versions(event.event_type).last().unwrap().schema;
            assert_says(&pair.name, &decoded.to_json(), &said["event"], &version.schema, current);
        }
    }
}

/// All fields that the version and the current type share are as they were; whatever else there is came or went since.
fn assert_says(name: &str, decoded: &Value, said: &Value, version: &Schema, current: &Schema) {
    let (decoded, said) = (decoded.as_object().unwrap(), said.as_object().unwrap());
    for (field, value) in said {
        assert!(has(version, field), "{name}: {field} is not in the schema");
        if has(current, field) {
            assert_eq!(decoded.get(field), Some(value), "{name}: {field}");
        }
    }
    for field in decoded.keys() {
        assert!(said.contains_key(field) || !has(version, field), "{name}: {field} was not there");
    }
}

fn has(schema: &Schema, field: &str) -> bool {
    let Schema::Record(RecordSchema { lookup, .. }) = schema else { panic!("an event is a record") };
    lookup.contains_key(field)
}

fn write_missing_pairs() {
    let codec = Codec::offline();
    for event in samples() {
        let pair = pair_of(event.event_type(), schemas::versions(event.event_type()).len());
        if pair.datum.exists() || pair.json.exists() {
            continue;
        }
        let encoded = codec.encode(&event);
        let (_, datum) = wire::split(&encoded.value).unwrap();
        let said = json!({ "schemaFp": encoded.schema_fp, "event": event.to_json() });
        fs::create_dir_all(pair.datum.parent().unwrap()).unwrap();
        fs::write(&pair.datum, datum).unwrap();
        fs::write(&pair.json, serde_json::to_string_pretty(&said).unwrap() + "\n").unwrap();
    }
}

struct Pair {
    name: String,
    datum: PathBuf,
    json: PathBuf,
}

fn pair_of(event_type: &str, version: usize) -> Pair {
    let (_, event) = event_type.rsplit_once('.').unwrap();
    let folder = root().join("golden").join(event);
    Pair {
        name: format!("{event} v{version}"),
        datum: folder.join(format!("v{version}.avro")),
        json: folder.join(format!("v{version}.json")),
    }
}

impl Pair {
    fn read(&self) -> (Vec<u8>, Value) {
        let cure = format!("{} has no golden pair; docs/adding-an-event.md says how to write one", self.name);
        let datum = fs::read(&self.datum).expect(&cure);
        let said = fs::read_to_string(&self.json).expect(&cure);
        (datum, serde_json::from_str(&said).unwrap())
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
