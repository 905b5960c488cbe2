//! An instance that is killed between two steps of publishing a post under a chosen slug, which stand in two partitions.

use command_api::domain::slug_reservation::reservation_id;
use event_log::kafka::partition_for;
use groot_tests::faults::links::{Links, Stream};
use groot_tests::program::Program;
use groot_tests::system::{Caller, PARTITIONS, POSTS, System};
use groot_tests::waiting::until;
use serde_json::json;
use service::token::PositionToken;
use uuid::Uuid;
use xtask::token::Role;

/// The way of this test, which no other test beside it takes.
const WAY: usize = 5;

/// The steps that are appended. The owner of its partition never hears that it is, and so whoever asked does not either.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve,
    Publish,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_killed_between_two_steps_of_publishing_leaves_what_the_same_request_goes_on_with() {
    let (_beside, stack) = super::beside().await;
    let system = System::laid_out(stack, "half-published").through(WAY).start().await;
    let links = Links::of_way(stack, WAY);
    let author = system.caller(Role::Author);
    let deaf = &system.commands;
    let killed = system.another_command_api("killed").await;
    for step in [Step::Reserve, Step::Publish] {
        let [theirs, own] = shares(deaf, &killed).await;
        let (post_in, slug_in) = if matches!(step, Step::Publish) { (&theirs, &own) } else { (&own, &theirs) };
        let post = draft_in(&system, &author, post_in).await;
        let slug = slug_of(slug_in);
        let reservation = reservation_id(&slug);

        links.hold(Stream::FromBrokers).await;
        let request = publish(&system, &killed, &author, post, &slug);
        let kill = async {
            let (subject, event) = match step {
                Step::Reserve => (reservation, "SlugReserved"),
                Step::Publish => (post, "PostPublished"),
            };
            let appended =
                async || history(&system, subject).await.last().is_some_and(|last| last == event).then_some(());
            until(event, appended).await;
            killed.kill();
        };
        let (answer, ()) = tokio::join!(request, kill);
        assert_eq!(answer, None, "it was killed before it could answer");
        assert_eq!(history(&system, reservation).await, ["SlugReserved"]);
        let published = history(&system, post).await == ["PostCreated", "PostPublished"];
        assert_eq!(published, matches!(step, Step::Publish), "what was done before the kill");
        links.let_go(Stream::FromBrokers).await;

        let version = until("the same request to be done", async || {
            publish(&system, deaf, &author, post, &slug).await.filter(|(status, _)| *status == 200)
        });
        assert_eq!(version.await.1, 2, "after {step:?}");
        assert_eq!(history(&system, post).await, ["PostCreated", "PostPublished"], "after {step:?}");
        assert_eq!(history(&system, reservation).await, ["SlugReserved", "SlugConfirmed"], "after {step:?}");
        killed.restart();
        killed.is_ready().await;
    }
    drop(killed);
    system.assert_stores_are_the_fold_of_the_log().await;
    system.end().await;
}

/// The partitions of each, once both have some and together all.
async fn shares(one: &Program, other: &Program) -> [Vec<u32>; 2] {
    until("each to have a share", async || {
        let shares = [one.serves().await, other.serves().await];
        let all = shares.iter().map(Vec::len).sum::<usize>() == PARTITIONS as usize;
        (all && shares.iter().all(|share| !share.is_empty())).then_some(shares)
    })
    .await
}

/// A post in one of these partitions.
async fn draft_in(system: &System, author: &Caller, partitions: &[u32]) -> Uuid {
    let mut number = 0;
    until("a post in the right partition", async || {
        number += 1;
        let body = json!({ "type": "note", "title": "On light", "content": "It travels." });
        let made = system.create(author, &format!("{partitions:?} {number}"), &body).await;
        let position: PositionToken = (made.status == 201).then(|| made.position().parse().unwrap())?;
        partitions.contains(&position.partition).then(|| made.id().parse().unwrap())
    })
    .await
}

/// A slug whose reservation is in one of these partitions.
fn slug_of(partitions: &[u32]) -> String {
    let slugs = (0..).map(|number| format!("on-light-{number}"));
    let is_there =
        |slug: &String| partitions.contains(&partition_for(reservation_id(slug).to_string().as_bytes(), PARTITIONS));
    slugs.into_iter().find(is_there).unwrap()
}

/// Status and version of the answer, if there is one.
async fn publish(system: &System, to: &Program, author: &Caller, post: Uuid, slug: &str) -> Option<(u16, u64)> {
    let path = format!("{POSTS}/{post}/publish");
    let body = json!({ "slug": slug });
    let answer =
        system.try_command_to(to, "POST", &path, author, &[("Idempotency-Key", slug)], Some(&body)).await.ok()?;
    Some((answer.status, answer.body["version"].as_u64().unwrap_or_default()))
}

/// The types of the events of one aggregate, without their namespace.
async fn history(system: &System, aggregate: Uuid) -> Vec<String> {
    let facts = system.facts().await;
    let events = facts.iter().filter(|fact| fact.aggregate == aggregate).flat_map(|fact| &fact.events);
    events.map(|event| event.event.event_type().rsplit('.').next().unwrap().to_owned()).collect()
}
