//! Versions of an event in one log: what an earlier build has written, this one, and one that is yet to come.

use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use event_log::kafka::KafkaLog;
use event_log::record::{Headers, RecordDraft};
use event_schema::canonical::fingerprint;
use event_schema::codec::{Codec, RegistryConfig};
use event_schema::hash::SchemaFp;
use event_schema::id::PersonId;
use event_schema::post::{PostCreated, PostEdited, PostType};
use projectors::catalog::Catalog;
use projectors::documents::catalog::DocumentsCatalog;
use projectors::documents::fold::differences;
use projectors::documents::read;
use projectors::fill::Fill;
use read_model::DOCUMENTS;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::World;
use crate::ledger::histories::{Happened, meta};
use crate::ledger::soon;
use crate::ledger::writer::{Writer, record};

const TODAYS: &str = include_str!("../../../../event-schema/avro/post/PostCreated.v1.avsc");

/// A version of the schema of [`PostCreated`] that some other build writes.
struct Version {
    schema: Schema,
    fingerprint: SchemaFp,
    /// In the registry.
    id: u32,
}

impl Version {
    /// Registers what is made of today's fields.
    async fn register(world: &World, change: impl FnOnce(&mut Vec<Value>)) -> Self {
        let mut schema: Value = serde_json::from_str(TODAYS).unwrap();
        change(schema["fields"].as_array_mut().unwrap());
        let text = schema.to_string();
        let source = &world.source;
        let subject = format!("{}-groot.post.PostCreated", source.kafka.events_topic);
        let path = format!("{}/subjects/{subject}/versions", source.schema_registry_url);
        let body = json!({ "schemaType": "AVRO", "schema": text });
        let answer = reqwest::Client::new().post(path).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let id = answer.json::<Value>().await.unwrap()["id"].as_u64().unwrap();
        let fingerprint = fingerprint(&text).unwrap();
        Self { schema: Schema::parse_str(&text).unwrap(), fingerprint, id: u32::try_from(id).unwrap() }
    }

    /// The record of an event as that build writes it, with these values in the place of its fields.
    fn record(&self, happened: &Happened, values: &[(&str, Avro)]) -> RecordDraft {
        let fields = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let writer = GenericDatumWriter::builder(&self.schema).build().unwrap();
        let datum = writer.write_value_to_vec(Avro::Record(fields)).unwrap();
        let mut headers = Headers::default();
        happened.meta.write_headers(self.fingerprint, |name, value| headers.push_text(name, value));
        let value = [&[0], self.id.to_be_bytes().as_slice(), &datum].concat();
        RecordDraft { key: Some(happened.meta.aggregate_id.to_string().into()), value: Some(value.into()), headers }
    }
}

fn created(title: &str, tags: &[&str]) -> Happened {
    let event = PostCreated {
        post_type: PostType::Note,
        title: title.to_owned(),
        content: "It *travels*.".to_owned(),
        excerpt: String::new(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        category: String::new(),
        media: Vec::new(),
        author_id: PersonId::new(Uuid::from_u128(7)),
        published_at: None,
    };
    let event = event.into();
    Happened { meta: meta(Uuid::now_v7(), 1, &event, chrono::DateTime::UNIX_EPOCH), event }
}

fn text(text: &str) -> Avro {
    Avro::String(text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_earlier_of_this_and_of_a_later_build_are_projected_from_one_log_and_a_rebuild_reads_them_all() {
    let world = World::new(1).await;
    let has_no_default = |field: &Value| field.get("default").is_none();
    let earlier = Version::register(&world, |fields| fields.retain(has_no_default)).await;
    let language = json!({ "name": "language", "type": "string", "default": "en" });
    let later = Version::register(&world, |fields| fields.insert(2, language)).await;

    let posts = [created("Of old", &[]), created("Of today", &["physics"]), created("Of tomorrow", &["physics"])];
    let author = Avro::Uuid(Uuid::from_u128(7));
    let known = |title: &str| {
        vec![
            ("postType", text("note")),
            ("title", text(title)),
            ("content", text("It *travels*.")),
            ("authorId", author.clone()),
        ]
    };
    let (old, mut new) = (known("Of old"), known("Of tomorrow"));
    new.insert(2, ("language", text("tlh")));
    new.extend([
        ("excerpt", text("")),
        ("tags", Avro::Array(vec![text("physics")])),
        ("category", text("")),
        ("media", Avro::Array(Vec::new())),
        ("publishedAt", Avro::Union(0, Box::new(Avro::Null))),
    ]);
    let mut writer = Writer::claim(&world, 0).await;
    writer.commit(vec![earlier.record(&posts[0], &old)]).await;
    writer.commit(vec![record(&world, &posts[1])]).await;
    writer.commit(vec![later.record(&posts[2], &new)]).await;
    for post in &posts {
        let event = PostEdited { excerpt: Some("Of light".to_owned()), ..PostEdited::default() }.into();
        let edited = Happened { meta: meta(post.meta.aggregate_id, 2, &event, chrono::DateTime::UNIX_EPOCH), event };
        writer.commit(vec![record(&world, &edited)]).await;
    }

    let process = world.start().await;
    world.assert_catches_up().await;
    process.stop().await;
    let stored = world.db.documents().await;
    for post in &posts {
        let stored = &stored.posts[&post.meta.aggregate_id];
        let event_schema::event::DomainEvent::Post(event_schema::post::PostEvent::Created(wanted)) = &post.event else {
            panic!()
        };
        assert_eq!((&stored.title, &stored.tags), (&wanted.title, &wanted.tags));
    }

    // A build that has met none of them yet makes a new version.
    let registry = RegistryConfig {
        url: world.source.schema_registry_url.clone(),
        topic: world.source.kafka.events_topic.clone(),
    };
    let codec = Arc::new(Codec::connect_to_read(registry).await.unwrap());
    let log = KafkaLog::connect(&world.source.kafka).unwrap();
    let catalog = DocumentsCatalog::new(world.db.database.clone());
    catalog.prepare(2).await.unwrap();
    let end = log.end_offsets().await.unwrap()[0];
    let fill = Fill::new(catalog.projection(2, world.identity.log_id), &log, &codec, None, 0);
    fill.partition(0, end, |_| ()).await.unwrap();
    let rebuilt = read::read_all(&world.db.database, DOCUMENTS.in_version(2)).await.unwrap();
    assert_eq!(differences(&rebuilt, &stored), Vec::new());
    // Whoever cannot tell where the version is says so, and does not wait to be looked at as a projector would.
    let elsewhere = Fill::new(catalog.projection(2, world.identity.log_id + 1), &log, &codec, None, 0);
    let refused = soon("the fill to end", elsewhere.partition(0, end, |_| ())).await.unwrap_err();
    assert!(refused.contains("is of the log"), "{refused}");
    drop((fill, elsewhere));
    log.close().await;
    world.db.drop_it().await;
}
