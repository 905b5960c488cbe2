//! Several instances of command-api that come and go while clients write.

use groot_tests::program::Program;
use groot_tests::servers::Servers;
use groot_tests::system::{PARTITIONS, System};
use groot_tests::waiting::until;
use xtask::corpus;

use super::{addresses, is_served, loaders};

#[tokio::test(flavor = "multi_thread")]
async fn instances_write_as_one_while_one_is_killed_and_another_hands_over() {
    let system = System::start(Servers::Steady, "two-writers").await;
    let tokens = loaders(&system);
    let addresses = addresses().await;
    let second = system.another_command_api("second").await;
    share(&system.commands, &second).await;

    // The same speakers are created over both: they are the same people.
    let (here, there) = tokio::join!(
        corpus::load(&system.commands.base, &tokens, &addresses[..40], |_| ()),
        corpus::load(&second.base, &tokens, &addresses[20..60], |_| ()),
    );
    let mut acknowledged = [here.unwrap().positions, there.unwrap().positions].concat();

    let kill = |posts| {
        if posts == 10 {
            system.commands.kill();
        }
    };
    let loaded = corpus::load(&second.base, &tokens, &addresses[60..120], kill).await.unwrap();
    assert_eq!(loaded.posts, 60, "what the killed one owned is written by the other");
    acknowledged.extend(loaded.positions);
    serves_all(&second).await;

    let third = system.another_command_api("third").await;
    share(&second, &third).await;
    let terminate = |posts| {
        if posts == 10 {
            third.terminate();
        }
    };
    let loaded = corpus::load(&second.base, &tokens, &addresses[120..180], terminate).await.unwrap();
    acknowledged.extend(loaded.positions);
    let (code, said) = third.ended().await;
    assert_eq!(code, Some(0), "{said}");
    serves_all(&second).await;

    acknowledged.sort();
    acknowledged.dedup();
    system.assert_acknowledged(&acknowledged).await;
    is_served(&system, &acknowledged).await;
    let body = system.read("/api/universal/post?limit=1", None).await.expect(200).body;
    assert_eq!(body["total"], 180, "no address was written twice");
    system.assert_stores_are_the_fold_of_the_log().await;
    drop((second, third));
    system.end().await;
}

/// Waits until each serves a part, and together they serve each partition once.
async fn share(one: &Program, other: &Program) {
    until("both to serve a share", async || {
        let (ours, theirs) = (one.serves().await, other.serves().await);
        let mut all = [ours.clone(), theirs.clone()].concat();
        all.sort_unstable();
        (!ours.is_empty() && !theirs.is_empty() && all.into_iter().eq(0..PARTITIONS)).then_some(())
    })
    .await;
}

async fn serves_all(instance: &Program) {
    until("one to serve all", async || instance.serves().await.into_iter().eq(0..PARTITIONS).then_some(())).await;
}
