//! The codec against a real schema registry.

use std::sync::OnceLock;

use event_schema::canonical::fingerprint;
use event_schema::codec::{COMPATIBILITY, Codec, DecodeError, Encoded, RegistryConfig, RegistryError};
use event_schema::event::DomainEvent;
use event_schema::person::PersonCreated;
use event_schema::post::PostDeleted;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockReadGuard};
use uuid::Uuid;
use xtask::server::Service;
use xtask::stack::{Options, Stack};

const PERSON_CREATED: &str = "groot.person.PersonCreated";
const WRITTEN: &str = include_str!("../../../event-schema/avro/person/PersonCreated.v1.avsc");

/// Written to by the test that takes the registry away, read by all others.
static UP: RwLock<()> = RwLock::const_new(());

fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::start("registry", &Options::for_test(&[Service::Registry])).unwrap())
}

/// A topic of its own on the registry that all tests of this module share.
struct Registry {
    url: String,
    topic: String,
    http: reqwest::Client,
}

impl Registry {
    async fn up() -> (Self, RwLockReadGuard<'static, ()>) {
        let guard = UP.read().await;
        (Self::started().await, guard)
    }

    async fn started() -> Self {
        let stack = tokio::task::spawn_blocking(stack).await.unwrap();
        Self {
            url: stack.addresses().schema_registry_url.clone(),
            topic: format!("events-{}", Uuid::now_v7()),
            http: reqwest::Client::new(),
        }
    }

    async fn connect(&self) -> Result<Codec, RegistryError> {
        Codec::connect(self.config()).await
    }

    fn config(&self) -> RegistryConfig {
        RegistryConfig { url: self.url.clone(), topic: self.topic.clone() }
    }

    /// Offers a version of the schema of [`PersonCreated`], as somebody else would.
    async fn offer(&self, schema: &str) -> (StatusCode, Value) {
        let path = format!("{}/subjects/{}-{PERSON_CREATED}/versions", self.url, self.topic);
        let body = json!({ "schemaType": "AVRO", "schema": schema });
        let answer = self.http.post(path).json(&body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn set_compatibility(&self, level: &str) {
        let path = format!("{}/config/{}-{PERSON_CREATED}", self.url, self.topic);
        let answer = self.http.put(path).json(&json!({ "compatibility": level })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    async fn compatibility(&self) -> Value {
        let path = format!("{}/config/{}-{PERSON_CREATED}", self.url, self.topic);
        let level: Value = self.http.get(path).send().await.unwrap().json().await.unwrap();
        level["compatibilityLevel"].clone()
    }
}

fn ada() -> DomainEvent {
    PersonCreated { name: "Ada".to_owned() }.into()
}

fn value_with_id(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0], id.to_be_bytes().as_slice(), datum].concat()
}

fn with_fields(change: impl FnOnce(&mut Vec<Value>)) -> String {
    let mut schema: Value = serde_json::from_str(WRITTEN).unwrap();
    change(schema["fields"].as_array_mut().unwrap());
    schema.to_string()
}

fn with_an_age() -> String {
    with_fields(|fields| fields.push(json!({ "name": "age", "type": "int", "default": 0 })))
}

#[tokio::test]
async fn registering_twice_gives_the_same_ids() {
    let (registry, _up) = Registry::up().await;
    let first = registry.connect().await.unwrap();
    let second = registry.connect().await.unwrap();
    for event in [ada(), PostDeleted {}.into()] {
        let encoded = first.encode(&event);
        assert_eq!(second.encode(&event), encoded);
        assert_eq!(second.decode_cached(event.event_type(), encoded.schema_fp, &encoded.value).unwrap(), event);
    }
}

#[tokio::test]
async fn programs_that_start_at_the_same_time_get_the_same_ids() {
    let (registry, _up) = Registry::up().await;
    let codecs = futures::future::try_join_all((0..3).map(|_| registry.connect())).await.unwrap();
    let first = codecs[0].encode(&ada());
    assert!(codecs.iter().all(|codec| codec.encode(&ada()) == first));
}

#[tokio::test]
async fn the_registry_refuses_a_change_that_is_incompatible_in_either_direction() {
    let (registry, _up) = Registry::up().await;
    registry.connect().await.unwrap();
    for (change, schema) in [
        ("a new field without a default", with_fields(|fields| fields.push(json!({ "name": "age", "type": "int" })))),
        ("a field without a default that goes", with_fields(Vec::clear)),
        ("another type", with_fields(|fields| fields[0]["type"] = json!("int"))),
    ] {
        let (status, answer) = registry.offer(&schema).await;
        assert_eq!(status, StatusCode::CONFLICT, "{change}: {answer}");
    }
    let (status, answer) = registry.offer(&with_an_age()).await;
    assert_eq!(status, StatusCode::OK, "a new field with a default: {answer}");
    let (status, _) = registry
        .offer(&with_fields(|fields| fields.push(json!({ "name": "age", "type": "string", "default": "" }))))
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "it is compatible with the first version, but not with the second");
}

#[tokio::test]
async fn a_level_that_was_lowered_is_raised_again_at_the_next_start() {
    let (registry, _up) = Registry::up().await;
    registry.connect().await.unwrap();
    registry.set_compatibility("NONE").await;
    registry.connect().await.unwrap();
    assert_eq!(registry.compatibility().await, COMPATIBILITY);
    let (status, answer) = registry.offer(&with_fields(Vec::clear)).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
}

#[tokio::test]
async fn who_only_reads_knows_every_schema_and_leaves_the_level_to_those_who_write() {
    let (registry, _up) = Registry::up().await;
    let to_read = async || Codec::connect_to_read(registry.config()).await;
    let before = to_read().await.unwrap();
    let writer = registry.connect().await.unwrap();
    for event in [ada(), PostDeleted {}.into()] {
        let Encoded { value, schema_fp } = writer.encode(&event);
        assert_eq!(before.decode_cached(event.event_type(), schema_fp, &value).unwrap(), event);
    }
    registry.set_compatibility("NONE").await;
    to_read().await.unwrap();
    assert_eq!(registry.compatibility().await, "NONE");

    // What contradicts its schemas is refused to it as well, where the level is enforced.
    let other = Registry { topic: format!("events-{}", Uuid::now_v7()), ..registry };
    other.offer(&with_fields(|fields| fields[0]["type"] = json!("int"))).await;
    other.set_compatibility(COMPATIBILITY).await;
    let error = Codec::connect_to_read(other.config()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Incompatible { .. }), "{error}");
}

#[tokio::test]
async fn a_start_fails_when_what_is_registered_contradicts_the_schemas() {
    let (registry, _up) = Registry::up().await;
    let (status, answer) = registry.offer(&with_fields(|fields| fields[0]["type"] = json!("int"))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let error = registry.connect().await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Incompatible { subject, .. } if subject.ends_with(PERSON_CREATED)),
        "{error}"
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn what_a_newer_build_wrote_is_decoded_after_its_schema_was_fetched() {
    let (registry, _up) = Registry::up().await;
    let codec = registry.connect().await.unwrap();
    let newer = with_an_age();
    let (_, answer) = registry.offer(&newer).await;
    let id = u32::try_from(answer["id"].as_u64().unwrap()).unwrap();
    // The text "Ada" and the age 36.
    let value = value_with_id(id, b"\x06Ada\x48");
    let schema_fp = fingerprint(&newer).unwrap();
    let error = codec.decode_cached(PERSON_CREATED, schema_fp, &value).unwrap_err();
    assert!(matches!(error, DecodeError::NotCached { .. }) && error.is_retryable(), "{error}");
    assert_eq!(codec.decode(PERSON_CREATED, schema_fp, &value).await.unwrap(), ada());
    assert_eq!(codec.decode_cached(PERSON_CREATED, schema_fp, &value).unwrap(), ada());
}

#[tokio::test]
async fn another_schema_under_the_id_of_a_value_halts_its_reader() {
    let (registry, _up) = Registry::up().await;
    let codec = registry.connect().await.unwrap();
    let encoded = codec.encode(&ada());
    // A registry that lost its data and numbers anew: the id of the value stands for a schema that reads it differently.
    let other = with_fields(|fields| fields.insert(0, json!({ "name": "note", "type": "string", "default": "" })));
    let (_, answer) = registry.offer(&other).await;
    let id = u32::try_from(answer["id"].as_u64().unwrap()).unwrap();
    let value = value_with_id(id, &encoded.value[5..]);
    let error = codec.decode(PERSON_CREATED, encoded.schema_fp, &value).await.unwrap_err();
    let found = fingerprint(&other).unwrap();
    assert!(
        matches!(error, DecodeError::SchemaMismatch { written, found: f, .. } if written == encoded.schema_fp && f == found),
        "{error}"
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn an_id_that_the_registry_never_gave_halts_its_reader() {
    let (registry, _up) = Registry::up().await;
    let codec = registry.connect().await.unwrap();
    let encoded = codec.encode(&ada());
    let value = value_with_id(2_000_000_000, &encoded.value[5..]);
    let error = codec.decode(PERSON_CREATED, encoded.schema_fp, &value).await.unwrap_err();
    assert!(matches!(error, DecodeError::Registry(RegistryError::UnknownId { id: 2_000_000_000 })), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn known_schemas_need_no_registry_and_ids_survive_its_restart() {
    let _alone = UP.write().await;
    let registry = Registry::started().await;
    let codec = registry.connect().await.unwrap();
    let encoded = codec.encode(&ada());

    tokio::task::spawn_blocking(|| stack().kill("registry").unwrap()).await.unwrap();
    assert_eq!(codec.encode(&ada()), encoded);
    assert_eq!(codec.decode(PERSON_CREATED, encoded.schema_fp, &encoded.value).await.unwrap(), ada());
    let unmet = value_with_id(2_000_000_000, &encoded.value[5..]);
    let error = codec.decode(PERSON_CREATED, encoded.schema_fp, &unmet).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let error = registry.connect().await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains(&registry.url), "{error}");

    tokio::task::spawn_blocking(|| stack().restart("registry").unwrap()).await.unwrap();
    let after = registry.connect().await.unwrap();
    assert_eq!(after.encode(&ada()), encoded);
    assert_eq!(after.decode_cached(PERSON_CREATED, encoded.schema_fp, &encoded.value).unwrap(), ada());
}
