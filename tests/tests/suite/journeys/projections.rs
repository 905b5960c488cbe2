//! How the projections are doing, as a dashboard is told.

use groot_tests::servers::Servers;
use groot_tests::system::System;
use groot_tests::waiting::until;
use serde_json::Value;
use xtask::token::Role;

use super::draft;

#[tokio::test(flavor = "multi_thread")]
async fn editors_are_told_how_far_the_projections_are_and_nobody_else_is() {
    let system = System::start(Servers::Steady, "projections").await;
    let (author, editor) = (system.caller(Role::Author), system.caller(Role::Editor));
    system.create(&author, "one", &draft("On light")).await.expect(201);
    let path = "/api/projections";
    system.read(path, None).await.expect_problem(401, &["unauthenticated"]);
    system.read(path, Some(&author)).await.expect_problem(403, &["forbidden"]);
    let told = until("all projections to be told of without lag", async || {
        let body = system.read(path, Some(&editor)).await.expect(200).body;
        let runs = |of: &Value| of["state"] == "running" && of["lagRecords"] == 0;
        // A claim in each partition, and one event; nobody has told of any activity.
        let has_caught_up = |view: &&Value| {
            let partitions = view["partitions"].as_array().unwrap();
            let written: u64 = partitions.iter().filter_map(|of| of["nextOffset"].as_u64()).sum();
            view["lagRecords"] == 0
                && partitions.len() == 6
                && partitions.iter().all(runs)
                && written == if view["projection"] == "activity" { 0 } else { 7 }
        };
        let caught_up = body["data"].as_array().unwrap().iter().filter(has_caught_up).count();
        (caught_up == 4).then_some(body)
    })
    .await;
    let names: Vec<_> =
        told["data"].as_array().unwrap().iter().map(|view| view["projection"].as_str().unwrap()).collect();
    assert_eq!(names, ["activity", "analytics", "documents", "search"]);
    assert_eq!(told["unreachable"], serde_json::json!([]));
    for view in told["data"].as_array().unwrap() {
        assert_eq!(view["parked"], serde_json::json!([]));
    }

    system.projectors.kill();
    let told = system.read(path, Some(&editor)).await.expect(200).body;
    assert_eq!(
        (&told["data"], &told["unreachable"][0]),
        (&serde_json::json!([]), &system.projectors.admin.clone().into())
    );
    system.end().await;
}
