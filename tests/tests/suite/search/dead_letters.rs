//! What the index does not take, and what cannot be read, waits with all that follows of its key, and nothing else does.

use event_schema::post::{PostCreated, PostEdited, PostType};
use groot_tests::tool::replay_tool;
use groot_tests::waiting;
use projectors::dead_letter::{Parked, Standing};
use projectors::search::dead_letters::DeadLetters;
use serde_json::json;
use uuid::Uuid;

use super::world::{Indexes, World, stack};
use crate::ledger::histories::{Happened, meta};
use crate::ledger::writer::{Writer, record};

fn created(category: &str) -> Happened {
    let event = PostCreated {
        post_type: PostType::Article,
        title: "On light".to_owned(),
        content: "Light is *bright*.".to_owned(),
        excerpt: String::new(),
        tags: Vec::new(),
        category: category.to_owned(),
        media: Vec::new(),
        author_id: Uuid::from_u128(1).into(),
        published_at: None,
    }
    .into();
    Happened { meta: meta(Uuid::now_v7(), 1, &event, chrono::DateTime::UNIX_EPOCH), event }
}

fn edited(post: &Happened, title: &str, version: u64) -> Happened {
    let event = PostEdited { title: Some(title.to_owned()), ..PostEdited::default() }.into();
    Happened { meta: meta(post.meta.aggregate_id, version, &event, chrono::DateTime::UNIX_EPOCH), event }
}

async fn parked(world: &World) -> Vec<Parked> {
    DeadLetters::new(world.indexes.elasticsearch.clone(), world.indexes.names.dead_letters())
        .parked(None)
        .await
        .unwrap()
}

async fn until(world: &World, what: &str, enough: impl Fn(&[Parked]) -> bool) {
    waiting::until(what, async || enough(&parked(world).await).then_some(())).await;
}

/// An index in which a category has to be a number.
async fn with_a_mapping_of_another_kind() -> Indexes {
    let indexes = Indexes::new().await;
    let posts = indexes.names.posts();
    let mut mapping = indexes.elasticsearch.get(&format!("{posts}/_mapping")).await.unwrap().unwrap();
    indexes.elasticsearch.delete(&posts).await.unwrap();
    let mut properties = mapping[&posts]["mappings"]["properties"].take();
    properties["category"] = json!({ "type": "integer" });
    for (name, field) in properties.as_object_mut().unwrap() {
        // The analysers are the index's own, and of no matter here.
        if ["title", "text", "excerpt", "tags"].contains(&name.as_str()) {
            *field = json!({ "type": "text" });
        }
    }
    indexes.elasticsearch.put(&posts, &json!({ "mappings": { "properties": properties } })).await.unwrap();
    indexes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_the_index_does_not_take_parks_its_post_and_a_drop_gives_it_up() {
    let world = World::around(with_a_mapping_of_another_kind().await, 1).await;
    let (ill, well) = (created("Optics"), created("7"));
    let key = ill.meta.aggregate_id.to_string();
    let mut writer = Writer::claim(&world, 0).await;
    let process = world.start().await;
    for happened in [&ill, &well, &edited(&ill, "On shade", 2), &edited(&well, "On dusk", 2)] {
        writer.commit(vec![record(&world, happened)]).await;
    }
    until(&world, "two letters", |parked| parked.first().is_some_and(|parked| parked.letters == 2)).await;
    world.has_read_everything().await;
    let first = parked(&world).await.remove(0);
    assert_eq!((first.key.as_str(), first.offset, first.standing), (key.as_str(), 1, Standing::Waiting));
    assert!(first.reason.contains("document_parsing_exception") && first.reason.contains("category"), "{first:?}");
    let posts = world.indexes.posts().await;
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[&well.meta.aggregate_id].title, "On dusk", "others go on");
    // One parked aggregate is no reason to be away.
    process.becomes_ready().await;

    let (code, listed) = tool(&world, &["list"]).await;
    assert!(code == 0 && listed.contains(&key) && listed.contains("waiting"), "{code} {listed}");
    let (code, said) = tool(&world, &["drop", &key]).await;
    assert_eq!(code, 0, "{said}");
    until(&world, "the drop", |parked| parked[0].standing == Standing::Dropped && parked[0].letters == 1).await;
    process.stop().await;
    world.indexes.drop_them().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retried_after_the_cause_was_mended_is_found_in_its_order() {
    let world = World::around(with_a_mapping_of_another_kind().await, 1).await;
    let ill = created("Optics");
    let key = ill.meta.aggregate_id.to_string();
    let mut writer = Writer::claim(&world, 0).await;
    let process = world.start().await;
    writer.commit(vec![record(&world, &ill)]).await;
    writer.commit(vec![record(&world, &edited(&ill, "On shade", 2))]).await;
    until(&world, "two letters", |parked| parked.first().is_some_and(|parked| parked.letters == 2)).await;

    assert_eq!(tool(&world, &["retry", &key]).await.0, 0);
    until(&world, "the retry to fail", |parked| parked[0].standing == Standing::Waiting && parked[0].letters == 2)
        .await;

    world.indexes.elasticsearch.delete(&world.indexes.names.posts()).await.unwrap();
    read_model::search::ensure(&world.indexes.elasticsearch, &world.indexes.names).await.unwrap();
    assert_eq!(tool(&world, &["retry", &key]).await.0, 0);
    until(&world, "the retry to succeed", <[Parked]>::is_empty).await;
    world.assert_catches_up().await;
    process.stop().await;
    world.indexes.drop_them().await;
}

/// The operators' tool, as they call it: its exit code, and what it says.
async fn tool(world: &World, arguments: &[&str]) -> (i32, String) {
    let arguments = [&["dead-letters"], arguments, &["--projection", "search"]].concat();
    let said = replay_tool(stack(), &arguments, &[("GROOT_ELASTICSEARCH_PREFIX", world.indexes.prefix())]).await;
    (said.code, said.all())
}
