//! An event that cannot be projected waits with all that follows of its key, and nothing else does.

use event_log::record::RecordDraft;
use event_schema::post::{PostCreated, PostEdited, PostType};
use groot_tests::tool::replay_tool;
use groot_tests::waiting;
use projectors::analytics::dead_letters::DeadLetters;
use projectors::dead_letter::{Parked, Standing};
use read_model::DeadLetterDoc;
use read_model::analytics::rows::DeadLetterRow;
use uuid::Uuid;

use super::world::{NAMES, World, stack};
use crate::ledger::histories::{Happened, meta, placed};
use crate::ledger::writer::{Writer, record};

fn created(title: &str) -> Happened {
    let event = PostCreated {
        post_type: PostType::Article,
        title: title.to_owned(),
        content: "Light is *bright*.".to_owned(),
        excerpt: String::new(),
        tags: Vec::new(),
        category: String::new(),
        media: Vec::new(),
        author_id: Uuid::from_u128(1).into(),
        published_at: None,
    }
    .into();
    Happened { meta: meta(Uuid::now_v7(), 1, &event, chrono::Utc::now()), event }
}

fn edited(post: &Happened, title: &str) -> Happened {
    let event = PostEdited { title: Some(title.to_owned()), ..PostEdited::default() }.into();
    Happened { meta: meta(post.meta.aggregate_id, 2, &event, chrono::Utc::now()), event }
}

fn torn(mut record: RecordDraft) -> RecordDraft {
    record.value = record.value.map(|value| value.slice(..6));
    record
}

fn letters(world: &World) -> DeadLetters {
    DeadLetters::new(world.db.clickhouse.clone(), NAMES.dead_letters())
}

async fn until(world: &World, what: &str, enough: impl Fn(&[Parked]) -> bool) {
    waiting::until(what, async || enough(&letters(world).parked(None).await.unwrap()).then_some(())).await;
}

/// Mends what a torn record lost.
async fn mend(world: &World, whole: &RecordDraft) {
    let question = format!("SELECT * FROM {} FINAL ORDER BY offset LIMIT 1", NAMES.dead_letters());
    let clickhouse = &world.db.clickhouse;
    let mut row: DeadLetterRow = clickhouse.rows(clickhouse.query(&question)).await.unwrap().remove(0);
    let mut letter: DeadLetterDoc = DeadLetterDoc::from_json(serde_json::from_str(&row.letter).unwrap()).unwrap();
    letter.value = Some(DeadLetterDoc::binary(whole.value.as_deref().unwrap()));
    row.letter = letter.to_json().unwrap().to_string();
    row.version += 1;
    clickhouse.insert(&NAMES.dead_letters(), "mended", &[&row]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_parks_its_aggregate_until_a_retry_succeeds_or_it_is_given_up() {
    let world = World::new(1).await;
    let (ill, well, lost) = (created("On light"), created("On shade"), created("On dust"));
    let key = ill.meta.aggregate_id.to_string();
    let mut writer = Writer::claim(&world, 0).await;
    let process = world.start().await;
    let later = [edited(&ill, "On lights"), edited(&well, "On shades")];
    writer.commit(vec![torn(record(&world, &ill))]).await;
    for happened in [&well, &later[0], &later[1]] {
        writer.commit(vec![record(&world, happened)]).await;
    }
    until(&world, "two letters", |parked| parked.first().is_some_and(|parked| parked.letters == 2)).await;
    world.has_read_everything().await;
    let first = letters(&world).parked(None).await.unwrap().remove(0);
    assert_eq!((first.key.as_str(), first.offset, first.standing), (key.as_str(), 1, Standing::Waiting));
    assert!(first.reason.starts_with("the record at offset 1 of partition 0 cannot be read"), "{first:?}");
    let posts = world.db.everything().await.posts;
    assert_eq!((posts.len(), posts[&well.meta.aggregate_id].title.as_str()), (1, "On shades"), "others go on");
    // One parked aggregate is no reason to be away.
    process.becomes_ready().await;

    let (code, listed) = tool(&world, &["list"]).await;
    assert!(code == 0 && listed.contains(&key) && listed.contains("waiting"), "{code} {listed}");
    assert_eq!(tool(&world, &["retry", &key]).await.0, 0);
    until(&world, "the retry to fail", |parked| parked[0].standing == Standing::Waiting).await;
    mend(&world, &record(&world, &ill)).await;
    assert_eq!(tool(&world, &["retry", &key]).await.0, 0);
    until(&world, "the retry to succeed", <[Parked]>::is_empty).await;
    let [ill_later, well_later] = later;
    world.db.assert_is_fold_of(&placed(vec![ill, well, ill_later, well_later], 1)).await;

    let key = lost.meta.aggregate_id.to_string();
    writer.commit(vec![torn(record(&world, &lost))]).await;
    until(&world, "a letter", |parked| parked.len() == 1).await;
    assert_eq!(tool(&world, &["drop", &key]).await.0, 0);
    until(&world, "the drop", |parked| parked[0].standing == Standing::Dropped && parked[0].letters == 1).await;
    process.stop().await;
    world.db.drop_it().await;
}

/// The operators' tool, as they call it: its exit code, and what it says.
async fn tool(world: &World, arguments: &[&str]) -> (i32, String) {
    let arguments = [&["dead-letters"], arguments, &["--projection", "analytics"]].concat();
    let said =
        replay_tool(stack(), &arguments, &[("GROOT_CLICKHOUSE_DATABASE", world.db.address.database.as_str())]).await;
    (said.code, said.all())
}
