//! The whole log is lost and brought back.

use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use groot_tests::waiting::until;
use projectors::documents::write::Store;
use read_model::DOCUMENTS;
use serde_json::json;
use tempfile::TempDir;
use xtask::token::Role;

use super::world::{Storage, archiver, delete_topics, records, tool, until_all_is_archived};
use crate::journeys::{draft, publish};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_deleted_is_restored_and_tokens_checkpoints_and_state_stay_true() {
    all_stays_true_of_a_restored_log("restore", &Storage::in_a_directory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_deleted_is_restored_from_s3_as_it_is_from_a_directory() {
    all_stays_true_of_a_restored_log("restore-s3", &Storage::in_s3().await).await;
}

async fn all_stays_true_of_a_restored_log(name: &str, storage: &Storage) {
    let system = System::start(Servers::Steady, name).await;
    let author = system.caller(Role::Author);
    let archive = storage.settings();
    let archiving = archiver(&system, "archive", &archive).await;
    let mut tokens = Vec::new();
    for number in 0..10 {
        let created = system.create(&author, &format!("key {number}"), &draft("On light")).await.expect(201);
        let published = publish(&system, &author, created.id()).await;
        tokens.push((created.id().to_owned(), published.position().to_owned()));
    }
    system.assert_stores_are_the_fold_of_the_log().await;
    // All writers stop, and what they wrote at last is archived.
    system.commands.terminate();
    assert_eq!(system.commands.ended().await.0, Some(0));
    until_all_is_archived(&system, &archive).await;
    archiving.terminate();
    assert_eq!(archiving.ended().await.0, Some(0));
    system.projectors.kill();
    let raw = raw(&system).await;
    let checkpoints = checkpoints(&system).await;
    let identity = system.identity;

    let brokers = system.kafka.brokers.clone();
    let dry = tool(&system, &["restore", "--to", &brokers, "--dry-run"], &archive).await.expect(0).out;
    let total: usize = raw.iter().map(Vec::len).sum();
    assert!(dry.contains(&format!("{total} records are in topic")) && dry.contains("0 would be written"), "{dry}");
    delete_topics(&system.kafka, &[&system.kafka.events_topic, &system.kafka.log_topic]).await;
    let dry = tool(&system, &["restore", "--to", &brokers, "--dry-run", "--json"], &archive).await.expect(0).json();
    assert_eq!((&dry["restored"], &dry["held"]), (&json!(0), &json!(0)), "{dry}");
    let report = tool(&system, &["restore", "--to", &brokers, "--json"], &archive).await.expect(0).json();
    assert_eq!((&report["restored"], &report["held"]), (&json!(total), &json!(0)), "{report}");
    let again = tool(&system, &["restore", "--to", &brokers], &archive).await.expect(0).out;
    assert!(again.contains("already, and the log can be used"), "{again}");
    assert!(self::raw(&system).await == raw, "offset for offset");
    assert_eq!(event_log::kafka::identify(&system.kafka).await.unwrap(), identity);
    let report = tool(&system, &["archive", "verify", "--json"], &archive).await.expect(0).json();
    assert_eq!((&report["found"], &report["compared"]), (&json!(0), &json!(total)), "{report}");

    // Everything goes on with what it remembers.
    system.commands.restart();
    system.projectors.restart();
    tokio::join!(system.commands.is_ready(), system.projectors.is_ready());
    assert_eq!(checkpoints_below(&checkpoints, &self::checkpoints(&system).await), Vec::<u32>::new());
    for (id, token) in &tokens {
        system.read_at(token, &format!("{POSTS}/{id}"), None).await.expect(200);
    }
    let before = system.ends().await;
    for (number, (id, _)) in tokens.iter().enumerate() {
        let again = system.create(&author, &format!("key {number}"), &draft("On light")).await.expect(201);
        assert_eq!(again.id(), id);
    }
    assert_eq!(system.ends().await, before, "every command is remembered");
    let path = format!("{POSTS}/{}", tokens[0].0);
    let edit = json!({ "title": "On shade" });
    let edited = system.command("PATCH", &path, &author, &[], Some(&edit)).await.expect(200);
    let read = system.read_at(edited.position(), &path, None).await.expect(200);
    assert_eq!(read.body["title"], "On shade");
    system.assert_stores_are_the_fold_of_the_log().await;
    system.assert_all_run();

    // The archive goes on as well, behind the same chain.
    let archiving = archiver(&system, "archive-again", &archive).await;
    until_all_is_archived(&system, &archive).await;
    let report = tool(&system, &["archive", "verify", "--json"], &archive).await.expect(0).json();
    assert_eq!(report["found"], json!(0), "{report}");
    let refused = tool(&system, &["restore", "--to", &brokers], &archive).await;
    assert_eq!(refused.code, 0, "it has all that the archive has: {}", refused.all());
    drop(archiving);
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_after_the_last_range_is_lost_and_whoever_remembers_it_halts() {
    let system = System::start(Servers::Steady, "restore-lost").await;
    let author = system.caller(Role::Author);
    let place = TempDir::new().unwrap();
    let archive = ("GROOT_ARCHIVE", place.path().to_str().unwrap());
    let archiving = archiver(&system, "archive", &[archive]).await;
    let kept = system.create(&author, "kept", &draft("On light")).await.expect(201);
    until_all_is_archived(&system, &[archive]).await;
    archiving.kill();
    // Two records in one partition: a reader reads the last one before his position again, and where that alone is gone he waits for it.
    let lost = system.create(&author, "lost", &draft("On shade")).await.expect(201);
    let path = format!("{POSTS}/{}", lost.id());
    let edit = json!({ "title": "On dust" });
    let edited = system.command("PATCH", &path, &author, &[], Some(&edit)).await.expect(200);
    system.read_at(edited.position(), &path, Some(&author)).await.expect(200);
    system.commands.terminate();
    assert_eq!(system.commands.ended().await.0, Some(0));
    system.projectors.kill();

    delete_topics(&system.kafka, &[&system.kafka.events_topic, &system.kafka.log_topic]).await;
    let said = tool(&system, &["restore", "--to", &system.kafka.brokers], &[archive]).await.expect(0).out;
    assert!(said.contains("is not in the archive") && said.contains("halts"), "{said}");
    system.projectors.restart();
    let url = format!("{}/ready", system.projectors.admin);
    until("the projection to halt", async || {
        let page = reqwest::get(&url).await.ok()?.text().await.ok()?;
        (page.contains("is halted") && page.contains("rebuild what was derived from it")).then_some(())
    })
    .await;
    // What is asked for by the token of what was kept is served.
    system.read_at(kept.position(), &format!("{POSTS}/{}", kept.id()), Some(&author)).await.expect(200);
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_has_what_was_there_at_a_time_and_goes_on_by_itself() {
    let system = System::start(Servers::Steady, "fork").await;
    let author = system.caller(Role::Author);
    let place = TempDir::new().unwrap();
    let archive = ("GROOT_ARCHIVE", place.path().to_str().unwrap());
    let archiving = archiver(&system, "archive", &[archive]).await;
    let created = system.create(&author, "one", &draft("On light")).await.expect(201);
    let begun = chrono::Utc::now();
    let later = until("the clock to go on", async || {
        let now = chrono::Utc::now();
        (now.timestamp() > begun.timestamp() + 1).then_some(now)
    });
    let later = later.await.to_rfc3339();
    let path = format!("{POSTS}/{}", created.id());
    let edit = |title: &str| json!({ "title": title });
    system.command("PATCH", &path, &author, &[], Some(&edit("On shade"))).await.expect(200);
    until_all_is_archived(&system, &[archive]).await;
    drop(archiving);

    let name = format!("fork-{}", uuid::Uuid::now_v7().simple());
    let fork = ["fork", "--until", &later, "--name", &name, "--to", &system.kafka.brokers];
    let would = tool(&system, &[fork.as_slice(), &["--dry-run"]].concat(), &[archive]).await.expect(0).out;
    assert!(would.contains("Nothing was changed"), "{would}");
    let said = tool(&system, &fork, &[archive]).await.expect(0).out;
    assert!(said.contains(&format!("GROOT_EVENTS_TOPIC={name}.events")), "{said}");
    let topics = ["events", "owners", "log", "activity"].map(|topic| format!("{name}.{topic}"));
    let objects = place.path().join("objects").display().to_string();
    let forked = [
        ("GROOT_EVENTS_TOPIC", topics[0].as_str()),
        ("GROOT_OWNERS_TOPIC", &topics[1]),
        ("GROOT_LOG_TOPIC", &topics[2]),
        ("GROOT_ACTIVITY_TOPIC", &topics[3]),
        ("GROOT_GROUP_PREFIX", &name),
        ("GROOT_OBJECT_STORE", &objects),
    ];
    let title = async |settings: &[(&str, &str)]| {
        tool(&system, &["state", created.id()], settings).await.expect(0).json()["state"]["title"].clone()
    };
    assert_eq!((title(&forked).await, title(&[]).await), (json!("On light"), json!("On shade")));

    let commands = system.program("forked", "command-api", &[], &forked);
    commands.is_ready().await;
    let edited = system.command_to(&commands, "PATCH", &path, &author, &[], Some(&edit("On dust"))).await.expect(200);
    assert_eq!((title(&forked).await, title(&[]).await), (json!("On dust"), json!("On shade")));
    // A position in the fork says nothing of the log that it comes from.
    system.read_at(edited.position(), &path, Some(&author)).await.expect(400);
    drop(commands);
    delete_topics(&system.kafka, &topics.each_ref().map(String::as_str)).await;
    system.end().await;
}

async fn raw(system: &System) -> Vec<Vec<event_log::record::LogRecord>> {
    let log = event_log::kafka::KafkaLog::connect(&system.kafka).unwrap();
    let mut all = Vec::new();
    for partition in 0..log.partitions() {
        all.push(records(&log, partition).await);
    }
    log.close().await;
    all
}

async fn checkpoints(system: &System) -> Vec<u64> {
    let store = Store::new(system.database.clone(), DOCUMENTS, system.identity.log_id);
    let mut positions = Vec::new();
    for partition in 0..system.kafka.partitions {
        positions.push(store.load(partition).await.unwrap().position.next_offset);
    }
    positions
}

/// The partitions whose checkpoint went back.
fn checkpoints_below(before: &[u64], after: &[u64]) -> Vec<u32> {
    (0..)
        .zip(before.iter().zip(after))
        .filter_map(|(partition, (before, after))| (after < before).then_some(partition))
        .collect()
}
