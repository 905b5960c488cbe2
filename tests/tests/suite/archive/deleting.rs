//! A log whose beginning is deleted as soon as it is archived: everything that begins from nothing still has all of it.

use chrono::Utc;
use groot_tests::evidence::Fact;
use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use mongodb::bson::{Document, doc};
use projectors::documents::fold::{differences, expected};
use projectors::documents::read;
use projectors::documents::write::Store;
use read_model::DOCUMENTS;
use serde_json::json;
use tempfile::TempDir;
use xtask::token::Role;

use super::world::{Storage, archiver, files, flip_a_byte, tool, until_all_is_archived};
use crate::journeys::{draft, publish};

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_from_nothing_has_all_of_a_log_whose_beginning_was_deleted() {
    everything_is_there_from_nothing("archive-delete", &Storage::in_a_directory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_from_nothing_has_all_of_a_log_whose_beginning_is_only_in_s3() {
    everything_is_there_from_nothing("archive-delete-s3", &Storage::in_s3().await).await;
}

async fn everything_is_there_from_nothing(name: &str, storage: &Storage) {
    let system = System::start(Servers::Steady, name).await;
    let author = system.caller(Role::Author);
    let archive = storage.settings();
    let mut ids = Vec::new();
    for number in 0..12 {
        let created = system.create(&author, &format!("key {number}"), &draft("On light")).await.expect(201);
        publish(&system, &author, created.id()).await;
        ids.push(created.id().to_owned());
    }
    let facts = system.facts().await;
    archive_and_delete(&system, &archive).await;

    // Whoever has no archive is told what he needs.
    let post = &ids[0];
    let said = tool(&system, &["inspect", post], &[]).await.expect(1);
    assert!(said.err.contains("GROOT_ARCHIVE"), "{}", said.err);
    let history = tool(&system, &["inspect", post, "--json"], &archive).await.expect(0).json();
    let types: Vec<_> = history["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, [json!("groot.post.PostCreated"), json!("groot.post.PostPublished")]);
    let report = tool(&system, &["verify", "documents", "--json"], &archive).await.expect(0).json();
    assert!(report["compared"].as_u64().unwrap() >= 12, "{report}");
    let report = tool(&system, &["archive", "verify", "--json"], &archive).await.expect(0).json();
    assert_eq!(report["found"], json!(0), "{report}");

    a_projection_from_nothing_is_the_fold(&system, &archive, &facts).await;

    // A new machine without snapshots knows every command that was made.
    system.commands.kill();
    let objects = TempDir::new().unwrap();
    let objects = ("GROOT_OBJECT_STORE", objects.path().to_str().unwrap());
    let fresh = system.program("fresh", "command-api", &[], &[archive.as_slice(), &[objects]].concat());
    fresh.is_ready().await;
    let before = system.ends().await;
    for (number, id) in ids.iter().enumerate() {
        let key = format!("key {number}");
        let headers = [("Idempotency-Key", key.as_str())];
        let again = system.command_to(&fresh, "POST", POSTS, &author, &headers, Some(&draft("On light"))).await;
        assert_eq!((again.status, again.id()), (201, id.as_str()));
    }
    assert_eq!(system.ends().await, before, "nothing is done twice");
    let edit = json!({ "title": "On shade" });
    let path = format!("{POSTS}/{post}");
    let edited = system.command_to(&fresh, "PATCH", &path, &author, &[], Some(&edit)).await.expect(200);
    let read = system.read_at(edited.position(), &path, None).await.expect(200);
    assert_eq!(read.body["title"], "On shade");
    drop(fresh);
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_up_to_a_time_whose_records_were_deleted_shows_what_was_then() {
    let system = System::start(Servers::Steady, "archive-until").await;
    let author = system.caller(Role::Author);
    let place = TempDir::new().unwrap();
    let archive = ("GROOT_ARCHIVE", place.path().to_str().unwrap());
    let created = system.create(&author, "one", &draft("On light")).await.expect(201);
    let begun = Utc::now();
    let later = until("the clock to go on", async || {
        let now = Utc::now();
        (now.timestamp() > begun.timestamp() + 1).then_some(now)
    });
    let later = later.await.to_rfc3339();
    // More than the one record that stays: what the cluster holds begins behind what was first written after the time.
    for title in ["On shade", "On dust", "On nothing"] {
        let path = format!("{POSTS}/{}", created.id());
        system.command("PATCH", &path, &author, &[], Some(&json!({ "title": title }))).await.expect(200);
    }
    archive_and_delete(&system, &[archive]).await;

    let rebuild = ["rebuild", "documents", "--until", &later];
    let said = tool(&system, &rebuild, &[]).await.expect(1).err;
    assert!(said.contains("was deleted") && said.contains("GROOT_ARCHIVE"), "{said}");
    tool(&system, &rebuild, &[archive]).await.expect(0);
    let posts = system.database.collection::<Document>("posts_v2");
    let post = posts.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(post.get_str("title"), Ok("On light"));
    let state = ["state", created.id(), "--at", &later];
    let state = tool(&system, &state, &[archive]).await.expect(0).json();
    assert_eq!(state["state"]["title"], "On light");
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_back_from_the_archive_is_not_deleted() {
    nothing_is_deleted_behind_a_damaged_file("archive-damaged", &Storage::in_a_directory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_back_from_s3_is_not_deleted() {
    nothing_is_deleted_behind_a_damaged_file("archive-damaged-s3", &Storage::in_s3().await).await;
}

async fn nothing_is_deleted_behind_a_damaged_file(name: &str, storage: &Storage) {
    let system = System::start(Servers::Steady, name).await;
    let author = system.caller(Role::Author);
    let archive = storage.settings();
    let archiving = archiver(&system, "archive", &archive).await;
    // The claims make ranges of their own, of which one record is all: it goes when the range behind it does.
    until_all_is_archived(&system, &archive).await;
    for number in 0..12 {
        system.create(&author, &format!("key {number}"), &draft("On light")).await.expect(201);
    }
    until_all_is_archived(&system, &archive).await;
    archiving.terminate();
    assert_eq!(archiving.ended().await.0, Some(0));
    let damaged = system.facts().await[0].position.partition;
    let file = files(&storage.folder().join(format!("records/{damaged:05}"))).remove(0);
    flip_a_byte(&file);

    let deletes = [archive.as_slice(), &[("GROOT_ARCHIVE_DELETE_AFTER", "100ms")]].concat();
    let archiving = archiver(&system, "deletes", &deletes).await;
    let others = u64::from(system.kafka.partitions) - 1;
    until("all others to be deleted, and the failure to be counted", async || {
        let failed = archiving.metric(r#"archive_failures_total{what="retention"}"#).await > 0.0;
        (failed && kept(&system, |partition| partition != damaged).await == others).then_some(())
    })
    .await;
    assert_eq!(system.log().bounds(damaged).await.unwrap().start, 0);
    // A whole copy is put back.
    flip_a_byte(&file);
    until("the partition to be deleted as well", async || {
        let start = system.log().bounds(damaged).await.unwrap().start;
        (start + 1 == system.ends().await[damaged as usize]).then_some(())
    })
    .await;
    drop(archiving);
    system.end().await;
}

/// Archives all that there is, and deletes it from the cluster but for the last record of each partition.
async fn archive_and_delete(system: &System, settings: &[(&str, &str)]) {
    let deletes = [settings, &[("GROOT_ARCHIVE_DELETE_AFTER", "100ms")]].concat();
    let archiving = archiver(system, "archive", &deletes).await;
    until_all_is_archived(system, settings).await;
    let deleted = async || (kept(system, |_| true).await == u64::from(system.kafka.partitions)).then_some(());
    until("all that is archived to be deleted but for the last records", deleted).await;
    archiving.terminate();
    assert_eq!(archiving.ended().await.0, Some(0));
}

/// How many records the cluster holds of some partitions.
async fn kept(system: &System, of: impl Fn(u32) -> bool) -> u64 {
    let mut kept = 0;
    for (partition, end) in (0..).zip(system.ends().await).filter(|(partition, _)| of(*partition)) {
        kept += end - system.log().bounds(partition).await.unwrap().start;
    }
    kept
}

async fn a_projection_from_nothing_is_the_fold(system: &System, archive: &[(&str, &str)], facts: &[Fact]) {
    let name = format!("{}-anew", system.database.name());
    let own = [("GROOT_MONGODB_DATABASE", name.as_str()), ("GROOT_GROUP_PREFIX", name.as_str())];
    let own = [archive, &own].concat();
    let anew = system.program("anew", "projectors", &["documents"], &own);
    anew.is_ready().await;
    let database = system.database.client().database(&name);
    let store = Store::new(database.clone(), DOCUMENTS, system.identity.log_id);
    until("the projection to come to the end", async || {
        for fact in facts {
            let at = store.load(fact.position.partition).await.ok()?;
            at.position.is_past(fact.position.offset).then_some(())?;
        }
        Some(())
    })
    .await;
    let stored = read::read_all(&database, DOCUMENTS).await.unwrap();
    let found = differences(&stored, &expected(facts.iter().flat_map(|fact| &fact.events)));
    assert!(found.is_empty(), "{found:?}");
    drop(anew);
    database.drop().await.unwrap();
}
