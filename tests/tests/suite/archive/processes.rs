//! `projectors archive` as a process: what it leaves in a directory and in S3, beside others of its kind, and killed.

use groot_tests::servers::Servers;
use groot_tests::system::{Caller, POSTS, System};
use groot_tests::waiting::until;
use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::token::Role;

use super::world::{Storage, archived, archiver, files, flip_a_byte, tool, until_all_is_archived};
use crate::journeys::{draft, publish};

async fn write(system: &System, author: &Caller, name: &str, posts: usize) {
    for number in 0..posts {
        let created = system.create(author, &format!("{name} {number}"), &draft(name)).await.expect(201);
        let edit = json!({ "title": format!("{name} {number}") });
        system.command("PATCH", &format!("{POSTS}/{}", created.id()), author, &[], Some(&edit)).await.expect(200);
        publish(system, author, created.id()).await;
    }
}

/// All is whole, and all of it is compared with the log.
async fn assert_whole(system: &System, settings: &[(&str, &str)]) -> Value {
    let report = tool(system, &["archive", "verify", "--json"], settings).await.expect(0).json();
    assert_eq!((&report["found"], &report["compared"]), (&json!(0), &report["records"]), "{report}");
    let ends: u64 = system.ends().await.iter().sum();
    assert_eq!(report["records"], json!(ends), "{report}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_in_a_directory_holds_every_record_of_the_log() {
    let system = System::start(Servers::Steady, "archive").await;
    let author = system.caller(Role::Author);
    let place = TempDir::new().unwrap();
    let settings = [("GROOT_ARCHIVE", place.path().to_str().unwrap())];
    let nothing = tool(&system, &["archive", "list"], &settings).await.expect(4);
    assert!(nothing.err.contains("there is no archive at"), "{}", nothing.err);
    let archiving = archiver(&system, "archive", &settings).await;
    write(&system, &author, "On light", 8).await;
    let listed = until_all_is_archived(&system, &settings).await;
    assert_eq!(listed["logId"], json!(format!("{:016x}", system.identity.log_id)));
    assert_whole(&system, &settings).await;
    let ends: u64 = system.ends().await.iter().sum();
    assert_eq!(archiving.metric("archive_records_total").await, ends as f64);
    assert_eq!(archiving.metric("archive_offset").await, ends as f64);
    let ranges: usize =
        listed["partitions"].as_array().unwrap().iter().map(|of| of["ranges"].as_array().unwrap().len()).sum();
    assert!(archiving.metric("archive_ranges_total").await >= ranges as f64);
    let table = tool(&system, &["archive", "list"], &settings).await.expect(0).out;
    assert!(table.contains(&format!("{ends} records in ")), "{table}");

    // What was read is archived when it is asked to end, however young it is.
    archiving.terminate();
    assert_eq!(archiving.ended().await.0, Some(0));
    write(&system, &author, "On shade", 2).await;
    let ends = system.ends().await;
    let lazy = [settings[0], ("GROOT_ARCHIVE_RANGE_AGE", "1h"), ("GROOT_ARCHIVE_RANGE_BYTES", "1000000")];
    until("what was read to be archived at the end", async || {
        let archiving = archiver(&system, "lazy", &lazy).await;
        until("the archiver to see what there is", async || {
            let page = reqwest::get(format!("{}/projections", archiving.admin)).await.unwrap();
            let page: Value = page.json().await.unwrap();
            let partitions = page[0]["partitions"].as_array().unwrap();
            (partitions.len() == ends.len() && partitions.iter().all(|of| of["lagRecords"].is_u64())).then_some(())
        })
        .await;
        archiving.terminate();
        assert_eq!(archiving.ended().await.0, Some(0));
        archived(&system, &ends, &settings).await
    })
    .await;
    assert_whole(&system, &settings).await;

    let file = files(&place.path().join("records/00000")).remove(0);
    flip_a_byte(&file);
    let said = tool(&system, &["archive", "verify"], &settings).await.expect(5).out;
    let name = file.strip_prefix(place.path()).unwrap().to_str().unwrap();
    assert!(
        said.contains(&format!("partition 0, offset 0: {name} has")) && said.contains("1 thing is wrong"),
        "{said}"
    );
    let report = tool(&system, &["archive", "verify", "--archive-only", "--json"], &settings).await.expect(5).json();
    assert_eq!((&report["findings"][0]["name"], &report["compared"]), (&json!(name), &json!(0)), "{report}");
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_in_s3_holds_every_record_of_the_log() {
    let system = System::start(Servers::Steady, "archive-s3").await;
    let author = system.caller(Role::Author);
    let storage = Storage::in_s3().await;
    let settings = storage.settings();
    let _archiving = archiver(&system, "archive", &settings).await;
    write(&system, &author, "On light", 6).await;
    until_all_is_archived(&system, &settings).await;
    assert_whole(&system, &settings).await;
    assert!(storage.folder().join("log.json").is_file());
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_archivers_that_race_for_each_chain_make_one() {
    let system = System::start(Servers::Steady, "archive-race").await;
    let author = system.caller(Role::Author);
    let place = TempDir::new().unwrap();
    let archive = ("GROOT_ARCHIVE", place.path().to_str().unwrap());
    let (group, closing) = (("GROOT_GROUP_PREFIX", "another"), ("GROOT_ARCHIVE_RANGE_AGE", "20ms"));
    let name = format!("another-{}", system.identity.log_id);
    let group = (group.0, name.as_str());
    let (ones, others) = ([archive, closing], [archive, closing, group]);
    let (one, other) = tokio::join!(archiver(&system, "one", &ones), archiver(&system, "other", &others));
    let lost = async || one.metric("archive_ranges_lost_total").await + other.metric("archive_ranges_lost_total").await;
    for round in 0.. {
        write(&system, &author, &format!("Round {round}"), 4).await;
        if round > 1 && lost().await > 0.0 {
            break;
        }
    }
    until_all_is_archived(&system, &[archive]).await;
    let report = assert_whole(&system, &[archive]).await;
    assert!(report["ranges"].as_u64().unwrap() > 6, "{report}");
    for archiving in [&one, &other] {
        assert!(archiving.is_alive());
        archiving.is_ready().await;
    }
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archiver_that_is_killed_again_and_again_leaves_a_whole_archive() {
    let system = System::start(Servers::Steady, "archive-killed").await;
    let author = system.caller(Role::Author);
    let place = TempDir::new().unwrap();
    let settings = [("GROOT_ARCHIVE", place.path().to_str().unwrap()), ("GROOT_ARCHIVE_RANGE_AGE", "20ms")];
    let archiving = archiver(&system, "archive", &settings).await;
    for round in 0..4 {
        let before = archiving.metric("archive_ranges_total").await;
        write(&system, &author, &format!("Round {round}"), 3).await;
        let more = async || (archiving.metric("archive_ranges_total").await > before).then_some(());
        until("some ranges", more).await;
        archiving.kill();
        archiving.restart();
        archiving.is_ready().await;
    }
    // As of one who was killed between the file and its manifest.
    let left = place.path().join("records/00000/00000000000000000000-0123456789abcdef.avro");
    std::fs::write(left, "what was to be a file").unwrap();
    write(&system, &author, "At last", 2).await;
    until_all_is_archived(&system, &settings).await;
    let report = assert_whole(&system, &settings).await;
    let left = report["unclaimed"].as_array().unwrap();
    assert!(left.iter().any(|name| name == "records/00000/00000000000000000000-0123456789abcdef.avro"), "{report}");
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_another_log_ends_the_process_with_a_clear_error() {
    let system = System::start(Servers::Steady, "archive-another").await;
    let place = TempDir::new().unwrap();
    let another = r#"{"format":1,"logId":"0000000000000007","topic":"another","partitions":6}"#;
    std::fs::write(place.path().join("log.json"), another).unwrap();
    let archive = [("GROOT_ARCHIVE", place.path().to_str().unwrap())];
    let archiving = system.program("archive", "projectors", &["archive"], &archive);
    let (code, said) = archiving.ended().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("GROOT_ARCHIVE is") && said.contains("is of log 0000000000000007"), "{said}");
    system.end().await;
}
