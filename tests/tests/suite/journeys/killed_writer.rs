//! A command-api that is killed while clients write.

use groot_tests::servers::Servers;
use groot_tests::system::{POSTS, System};
use serde_json::json;
use xtask::token::Role;

use super::{addresses, assert_a_second_load_changes_nothing, draft, is_served, load, loaders};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_api_killed_in_the_middle_of_a_load_loses_nothing_and_repeats_its_first_answers() {
    let system = System::start(Servers::Steady, "killed-writer").await;
    let (tokens, author) = (loaders(&system), system.caller(Role::Author));
    let some = &addresses().await[..120];
    let mut first_answers = Vec::new();
    for key in ["a", "b", "c"] {
        let answer = system.create(&author, key, &draft(key)).await.expect(201);
        first_answers.push((key, answer));
    }

    // The loader asks again under the same key while nobody answers, as any client can.
    let loaded = load(&system, &tokens, some, |acknowledged| {
        if acknowledged == 40 {
            system.commands.kill();
            system.commands.restart();
        }
    })
    .await;
    assert_eq!(loaded.posts, some.len());
    let mut acknowledged = loaded.positions.clone();
    acknowledged.extend(first_answers.iter().map(|(_, answer)| answer.position().to_owned()));
    system.assert_acknowledged(&acknowledged).await;

    let ends = system.ends().await;
    for (key, first) in &first_answers {
        let again = system.create(&author, key, &draft(key)).await.expect(201);
        assert_eq!(again.body, first.body, "the same key gives the first answer");
        assert_eq!(again.header("location"), first.header("location"));
    }
    let post = format!("{POSTS}/{}", first_answers[0].1.id());
    for wrong in ["\"0\"", "\"2\"", "\"99\""] {
        let edit = json!({ "title": "Never seen" });
        let refused = system.command("PATCH", &post, &author, &[("If-Match", wrong)], Some(&edit)).await;
        refused.expect_problem(412, &["version-mismatch"]);
    }
    assert_eq!(system.ends().await, ends, "neither a repetition nor a refusal is written");
    assert_a_second_load_changes_nothing(&system, &tokens, some, &loaded).await;

    is_served(&system, &acknowledged).await;
    let seen = system.read(&post, Some(&author)).await.expect(200);
    assert_eq!((&seen.body["title"], &seen.body["version"]), (&"a".into(), &1.into()));
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}
