//! A projection that is made anew from the archive, while the cluster still holds everything.

use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use serde_json::json;
use tempfile::TempDir;
use xtask::token::Role;

use super::world::{archiver, files, flip_a_byte, tool, until_all_is_archived};
use crate::journeys::{draft, publish};

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_from_the_archive_reads_what_is_archived_from_there_and_the_rest_from_the_log() {
    let system = System::start(Servers::Steady, "from-archive").await;
    let author = system.caller(Role::Author);
    let place = TempDir::new().unwrap();
    let archive = ("GROOT_ARCHIVE", place.path().to_str().unwrap());
    let rebuild = ["rebuild", "documents", "--from-archive"];

    let said = tool(&system, &rebuild, &[]).await.expect(2).err;
    assert!(said.contains("--from-archive needs the archive") && said.contains("GROOT_ARCHIVE"), "{said}");
    let said = tool(&system, &rebuild, &[archive]).await.expect(4).err;
    assert!(said.contains("there is no archive at"), "{said}");
    let another = TempDir::new().unwrap();
    let log = r#"{"format":1,"logId":"0000000000000007","topic":"another","partitions":6}"#;
    std::fs::write(another.path().join("log.json"), log).unwrap();
    let said = tool(&system, &rebuild, &[("GROOT_ARCHIVE", another.path().to_str().unwrap())]).await.expect(2).err;
    assert!(said.contains("is of log 0000000000000007"), "{said}");
    let own = another.path().join("log.json");
    let log_id = format!("{:016x}", system.identity.log_id);
    std::fs::write(&own, log.replace("0000000000000007", &log_id)).unwrap();
    let said = tool(&system, &rebuild, &[("GROOT_ARCHIVE", another.path().to_str().unwrap())]).await.expect(4).err;
    assert!(said.contains("has no record yet"), "{said}");

    let archiving = archiver(&system, "archive", &[archive]).await;
    for number in 0..10 {
        let created = system.create(&author, &format!("key {number}"), &draft("On light")).await.expect(201);
        publish(&system, &author, created.id()).await;
    }
    until_all_is_archived(&system, &[archive]).await;
    archiving.terminate();
    assert_eq!(archiving.ended().await.0, Some(0));
    let archived: u64 = system.ends().await.iter().sum();
    for number in 0..5 {
        let created = system.create(&author, &format!("behind {number}"), &draft("On shade")).await.expect(201);
        let edit = json!({ "title": format!("On shade {number}") });
        system.command("PATCH", &format!("{POSTS}/{}", created.id()), &author, &[], Some(&edit)).await.expect(200);
    }
    for partition in 0..system.kafka.partitions {
        assert_eq!(system.log().bounds(partition).await.unwrap().start, 0, "the cluster holds everything");
    }

    let all: u64 = system.ends().await.iter().sum();
    let told = format!("{all} records of the log, {archived} of them from the archive");
    let would = tool(&system, &[rebuild.as_slice(), &["--dry-run"]].concat(), &[archive]).await.expect(0).out;
    assert!(would.contains(&told), "{would}");
    let said = tool(&system, &rebuild, &[archive]).await.expect(0).out;
    assert!(said.contains(&format!("{all} records, {archived} of them from the archive")), "{said}");
    system.tool(&["verify", "documents", "--version", "2"]).await.expect(0);

    // A byte of what the cluster has as well halts it, and nothing of that file is projected. Without the flag nobody looks there.
    let (partition, file) = (0..system.kafka.partitions)
        .filter_map(|partition| Some((partition, files(&place.path().join(format!("records/{partition:05}"))).pop()?)))
        .next()
        .unwrap();
    flip_a_byte(&file);
    let name = file.strip_prefix(place.path()).unwrap().to_str().unwrap();
    let said = tool(&system, &rebuild, &[archive]).await.expect(1).err;
    let expected = format!("partition {partition} cannot be read from the archive");
    assert!(said.contains(name) && said.contains(&expected) && said.contains("put a whole copy of it back"), "{said}");
    tool(&system, &["rebuild", "documents"], &[archive]).await.expect(0);
    system.tool(&["verify", "documents", "--version", "3"]).await.expect(0);
    system.end().await;
}
