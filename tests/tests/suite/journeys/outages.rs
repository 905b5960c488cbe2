//! Servers that go away under a running system: nothing of ours ends, what can go on does, and all catches up.

use futures::future::join_all;
use groot_tests::client::Answer;
use groot_tests::servers::Servers;
use groot_tests::system::{PARTITIONS, POSTS, System};
use groot_tests::waiting::until;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::block_in_place;
use xtask::token::Role;

use super::{draft, is_served, publish};

/// The servers are taken away by one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Waits until the servers are this test's alone, and brings back what one that failed has left away.
async fn alone() -> MutexGuard<'static, ()> {
    let guard = ONE_AT_A_TIME.lock().await;
    let stack = Servers::Failing.stack().await;
    for server in ["kafka", "registry", "mongodb"] {
        stack.resume(server).unwrap();
        block_in_place(|| stack.restart(server)).unwrap();
    }
    guard
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mongodb_writes_go_on_reads_say_when_to_come_back_and_all_catches_up() {
    let _alone = alone().await;
    let system = System::start(Servers::Failing, "no-mongodb").await;
    let author = system.caller(Role::Author);
    let before = system.create(&author, "before", &draft("Before")).await.expect(201);
    let post = format!("{POSTS}/{}", before.id());
    system.read_at(before.position(), &post, Some(&author)).await.expect(200);

    block_in_place(|| system.stack.kill("mongodb")).unwrap();
    let mut positions = Vec::new();
    for key in ["one", "two", "three"] {
        let created = system.create(&author, key, &draft(key)).await.expect(201);
        positions.push(publish(&system, &author, created.id()).await.position().to_owned());
    }
    for path in [POSTS.to_owned(), post.clone(), format!("{post}/history")] {
        system.read(&path, Some(&author)).await.expect_unavailable(&["dependency-unavailable"]);
    }
    let waiting = system.read_at(&positions[0], &post, Some(&author)).await;
    waiting.expect_unavailable(&["dependency-unavailable"]);
    system.assert_all_run();

    block_in_place(|| system.stack.restart("mongodb")).unwrap();
    is_served(&system, &positions).await;
    let list = system.read(POSTS, None).await.expect(200);
    assert_eq!(list.body["total"], 3);
    let after = system.create(&author, "after", &draft("After")).await.expect(201);
    system.read_at(after.position(), &format!("{POSTS}/{}", after.id()), Some(&author)).await.expect(200);
    system.assert_stores_are_the_fold_of_the_log().await;
    system.assert_all_run();
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_registry_writes_and_reads_go_on() {
    let _alone = alone().await;
    let system = System::start(Servers::Failing, "no-registry").await;
    let author = system.caller(Role::Author);

    // Nothing was written yet: not one schema of an event has been asked for.
    block_in_place(|| system.stack.kill("registry")).unwrap();
    let created = system.create(&author, "one", &draft("One")).await.expect(201);
    let post = format!("{POSTS}/{}", created.id());
    let edit = json!({ "title": "Two" });
    system.command("PATCH", &post, &author, &[], Some(&edit)).await.expect(200);
    let published = publish(&system, &author, created.id()).await;
    let seen = system.read_at(published.position(), &post, None).await.expect(200);
    assert_eq!((&seen.body["title"], &seen.body["version"]), (&"Two".into(), &3.into()));
    system.assert_all_run();

    block_in_place(|| system.stack.restart("registry")).unwrap();
    let deleted = system.command("DELETE", &post, &author, &[], None).await.expect(200);
    system.read_at(deleted.position(), &post, Some(&author)).await.expect(410);
    system.assert_stores_are_the_fold_of_the_log().await;
    system.assert_all_run();
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_commands_are_told_to_come_back_reads_go_on_and_nothing_acknowledged_is_lost() {
    let _alone = alone().await;
    let system = System::start(Servers::Failing, "no-kafka").await;
    let author = system.caller(Role::Author);
    let keys: Vec<String> = (0..12).map(|n| format!("post {n}")).collect();
    let write =
        |keys: &[String]| join_all(keys.iter().map(|key| create(&system, &author, key.clone())).collect::<Vec<_>>());
    let mut acknowledged = Vec::new();
    for answer in write(&keys[..4]).await {
        acknowledged.push(answer.expect(201));
    }
    let positions: Vec<_> = acknowledged.iter().map(|answer| answer.position().to_owned()).collect();
    system.read_at(&positions.join(","), POSTS, None).await.expect(200);

    block_in_place(|| system.stack.kill("kafka")).unwrap();
    for answer in write(&keys[4..]).await {
        answer.expect_unavailable(&["outcome-unknown", "no-owner"]);
    }
    let post = format!("{POSTS}/{}", acknowledged[0].id());
    system.read(&post, Some(&author)).await.expect(200);
    system.assert_all_run();

    block_in_place(|| system.stack.restart("kafka")).unwrap();
    // The same keys: whatever became of them in the meantime, each is one post.
    for (index, key) in keys.iter().enumerate() {
        let answer = until("the command to be taken", async || {
            let answer = create(&system, &author, key.clone()).await;
            (answer.status == 201).then_some(answer)
        })
        .await;
        match acknowledged.get(index) {
            Some(first) => assert_eq!(answer.body, first.body, "what was acknowledged before is there"),
            None => acknowledged.push(answer),
        }
    }

    // A broker that hangs keeps its connections: it is not noticed by them.
    system.stack.pause("kafka").unwrap();
    create(&system, &author, "hung".to_owned()).await.expect_unavailable(&["outcome-unknown", "no-owner"]);
    system.stack.resume("kafka").unwrap();
    let hung = until("the command to be taken", async || {
        let answer = create(&system, &author, "hung".to_owned()).await;
        (answer.status == 201).then_some(answer)
    });
    acknowledged.push(hung.await);

    let positions: Vec<_> = acknowledged.iter().map(|answer| answer.position().to_owned()).collect();
    system.assert_acknowledged(&positions).await;
    assert_eq!(system.facts().await.len(), keys.len() + 1, "each key is one post");
    is_served(&system, &positions).await;
    system.assert_stores_are_the_fold_of_the_log().await;
    system.assert_all_run();
    system.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_the_group_has_lost_sight_of_serves_on_under_the_same_claim() {
    let _alone = alone().await;
    let system = System::start(Servers::Failing, "lost").await;
    let author = system.caller(Role::Author);
    system.create(&author, "before", &draft("Before")).await.expect(201);
    let epochs = async || {
        let mut epochs = Vec::new();
        for partition in 0..PARTITIONS {
            let here = system.commands.standing(partition).await;
            epochs.push((here["phase"].as_str().map(str::to_owned), here["epoch"].clone()));
        }
        epochs
    };
    let before = epochs().await;

    // The session ends here as well, since no heartbeat is answered.
    system.stack.pause("kafka").unwrap();
    until("the loss of the group", async || system.commands.generation().await.is_null().then_some(())).await;
    let lost = epochs().await;
    system.stack.resume("kafka").unwrap();
    system.create(&author, "after", &draft("After")).await.expect(201);
    until("the group again", async || (!system.commands.generation().await.is_null()).then_some(())).await;
    until("the partitions given back", async || (epochs().await == before).then_some(())).await;

    assert!(before.iter().all(|(phase, _)| phase.as_deref() == Some("serving")), "{before:?}");
    assert!(lost.iter().all(|(phase, _)| phase.as_deref() == Some("handing-over")), "{lost:?}");
    let epoch_of =
        |standings: &[(Option<String>, Value)]| standings.iter().map(|(_, epoch)| epoch.clone()).collect::<Vec<_>>();
    assert_eq!(epoch_of(&lost), epoch_of(&before));
    system.end().await;
}

async fn create(system: &System, author: &groot_tests::system::Caller, key: String) -> Answer {
    system.create(author, &key, &draft(&key)).await
}
