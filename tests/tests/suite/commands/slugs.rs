//! Slugs that people choose: each is one post's, whoever races for it and wherever a request ends half-way.

use command_api::domain::Command;
use command_api::domain::post::PostCommand;
use command_api::domain::slug_reservation::{Holding, SlugCommand, reservation_id};
use event_schema::id::PostId;
use groot_tests::peer;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::token::Role;

use super::process::{Instance, pause};
use super::world::{Answer, POSTS, Token, World, soon, stack};

const SLUG: &str = "on-light";

async fn publish_as(world: &World, base: &str, token: &Token, id: &str, key: &str, slug: &str) -> Answer {
    let key = [("idempotency-key", key)];
    world.send(base, "POST", &format!("{POSTS}/{id}/publish"), token, &key, Some(&json!({ "slug": slug }))).await
}

async fn reservation(world: &World, slug: &str) -> Vec<String> {
    world.history(&reservation_id(slug).to_string()).await
}

/// Makes one step of a request alone, as an instance does that ends right after it.
async fn step(instance: &Instance, author: &Token, command: Command) -> Value {
    peer::make(stack(), &instance.admin, author.person, command).await
}

/// Reserves it for a post that nothing but its creation has happened to, until the next millisecond.
async fn reserve(instance: &Instance, author: &Token, id: &str) {
    let by = Holding { post: id.parse().unwrap(), token: 1 };
    let command = SlugCommand::Reserve { by, hold_millis: 1, refused: None };
    let done = step(instance, author, Command::Slug { slug: SLUG.to_owned(), command }).await;
    assert!(done["Done"].is_object(), "{done}");
}

fn publish_late(id: &str) -> Command {
    let id: PostId = id.parse().unwrap();
    Command::Post { id, command: PostCommand::PublishAs { published_at: None, slug: SLUG.to_owned(), token: 1 } }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_slug_is_kept_by_its_post_for_ever() {
    let world = World::new(6).await;
    let instance = Instance::start(&world).await;
    let (author, other) = (world.token(Role::Author), world.token(Role::Author));
    let base = &instance.base;
    let id = world.post(base, &author).await;
    let published = publish_as(&world, base, &author, &id, "k", SLUG).await;
    assert_eq!(published.is(200).body["version"], 2);
    assert_eq!(world.history(&id).await, ["PostCreated", "PostPublished"]);
    assert_eq!(reservation(&world, SLUG).await, ["SlugReserved", "SlugConfirmed"]);

    let ends = world.ends().await;
    let again = publish_as(&world, base, &author, &id, "l", SLUG).await;
    assert_eq!(again.is(200).body, published.body, "it has it already");
    publish_as(&world, base, &author, &id, "m", "on-shade").await.is_problem(409, "rule-broken");
    let draft = world.post(base, &other).await;
    for method in ["/unpublish", ""] {
        let path = format!("{POSTS}/{id}{method}");
        let method = if method.is_empty() { "DELETE" } else { "POST" };
        world.send(base, method, &path, &author, &[], None).await.is(200);
        let refused = publish_as(&world, base, &other, &draft, "k", SLUG).await;
        refused.is_problem(409, "slug-taken");
        assert!(refused.body["detail"].as_str().unwrap().contains("Choose another one"), "{refused:?}");
    }
    assert_eq!(world.history(&draft).await, ["PostCreated"]);
    assert_eq!(reservation(&world, "on-shade").await, [""; 0]);
    let appended: u64 = world.ends().await.iter().sum::<u64>() - ends.iter().sum::<u64>();
    assert_eq!(appended, 3, "a draft, an unpublication and a deletion");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_slug_is_one_error_that_names_the_field_and_appends_nothing() {
    let world = World::new(2).await;
    let instance = Instance::start(&world).await;
    let (author, stranger) = (world.token(Role::Author), world.token(Role::Author));
    let id = world.post(&instance.base, &author).await;
    let ends = world.ends().await;
    let bad = ["", "ab", "On-Light", "on light", "on--light", "-on", "on-deadbeef", "deadbeef", &id, &"x".repeat(81)];
    for slug in bad {
        let refused = publish_as(&world, &instance.base, &author, &id, "k", slug).await;
        assert_eq!(refused.is_problem(422, "validation-failed").fields(), ["slug"], "{slug:?}");
    }
    publish_as(&world, &instance.base, &stranger, &id, "k", SLUG).await.is_problem(403, "forbidden");
    let nowhere = Uuid::now_v7().to_string();
    publish_as(&world, &instance.base, &author, &nowhere, "k", SLUG).await.is_problem(404, "not-found");
    assert_eq!(world.ends().await, ends, "who may not publish it reserves nothing");
    publish_as(&world, &instance.base, &author, &id, "k", SLUG).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_race_for_a_slug_over_two_instances_one_gets_it_and_the_others_lose_nothing() {
    let world = World::new(6).await;
    let first = Instance::start(&world).await;
    let second = Instance::start(&world).await;
    first.serves_until(&world, "a share of the partitions", |count| count < 6).await;
    let author = world.token(Role::Author);
    let mut ids = Vec::new();
    for instance in [&first, &second].into_iter().cycle().take(8) {
        // What is new falls to a partition that is served where it is made.
        ids.push(world.post(&instance.base, &author).await);
    }
    for round in 0..3 {
        let slug = format!("slug-{round}");
        let bases = [&first.base, &second.base].into_iter().cycle();
        let all = ids.iter().zip(bases).map(|(id, base)| publish_as(&world, base, &author, id, &slug, &slug));
        let answers = futures::future::join_all(all).await;
        let winners: Vec<_> = answers.iter().enumerate().filter(|(_, answer)| answer.status == 200).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.is_problem(409, "slug-taken");
        }
        let winner = ids.remove(winners[0].0);
        assert_eq!(world.history(&winner).await, ["PostCreated", "PostPublished"]);
        assert_eq!(reservation(&world, &slug).await, ["SlugReserved", "SlugConfirmed"]);
    }
    for id in &ids {
        assert_eq!(world.history(id).await, ["PostCreated"]);
    }
    world.send(&first.base, "POST", &format!("{POSTS}/{}/publish", ids[0]), &author, &[], None).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_same_answer_at_once_and_after_a_kill() {
    let world = World::new(6).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    let id = world.post(&instance.base, &author).await;
    let all = (0..10).map(|_| publish_as(&world, &instance.base, &author, &id, "k", SLUG));
    let answers = futures::future::join_all(all).await;
    for answer in &answers {
        assert_eq!(answer.is(200).body, answers[0].body);
    }
    instance.kill().await;
    let instance = Instance::start(&world).await;
    let base = &instance.base;
    world.send(base, "DELETE", &format!("{POSTS}/{id}"), &author, &[], None).await.is(200);
    let again = publish_as(&world, base, &author, &id, "k", SLUG).await;
    assert_eq!(again.is(200).body, answers[0].body);
    publish_as(&world, base, &author, &id, "k", "on-shade").await.is_problem(422, "idempotency-key-reused");
    assert_eq!(world.history(&id).await, ["PostCreated", "PostPublished", "PostDeleted"]);
    assert_eq!(reservation(&world, SLUG).await, ["SlugReserved", "SlugConfirmed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slug_whose_request_ended_after_reserving_goes_to_the_next_and_never_to_both() {
    let world = World::new(6).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    let base = &instance.base;
    let (lost, next) = (world.post(base, &author).await, world.post(base, &author).await);
    reserve(&instance, &author, &lost).await;
    let published = soon("the slug", async {
        loop {
            let answer = publish_as(&world, base, &author, &next, "k", SLUG).await;
            if answer.status == 200 {
                return answer;
            }
            answer.is_problem(409, "slug-taken");
            pause().await;
        }
    })
    .await;
    assert_eq!(published.body["version"], 2);
    assert_eq!(reservation(&world, SLUG).await, ["SlugReserved", "SlugReleased", "SlugReserved", "SlugConfirmed"]);

    let late = step(&instance, &author, publish_late(&lost)).await;
    assert_eq!(late["Rejected"]["RuleBroken"], "SlugReservationLapsed", "{late}");
    publish_as(&world, base, &author, &lost, "k", SLUG).await.is_problem(409, "slug-taken");
    publish_as(&world, base, &author, &lost, "k", "on-shade").await.is(200);
    assert_eq!(world.history(&lost).await, ["PostCreated", "PostSlugRefused", "PostPublished"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slug_whose_request_ended_after_publishing_stays_with_its_post_and_the_next_confirms_it() {
    let world = World::new(6).await;
    let instance = Instance::start(&world).await;
    let author = world.token(Role::Author);
    let base = &instance.base;
    let (first, next) = (world.post(base, &author).await, world.post(base, &author).await);
    reserve(&instance, &author, &first).await;
    let done = step(&instance, &author, publish_late(&first)).await;
    assert!(done["Done"].is_object(), "{done}");
    assert_eq!(reservation(&world, SLUG).await, ["SlugReserved"]);
    soon("the confirmation", async {
        loop {
            publish_as(&world, base, &author, &next, "k", SLUG).await.is_problem(409, "slug-taken");
            if reservation(&world, SLUG).await == ["SlugReserved", "SlugConfirmed"] {
                return;
            }
            pause().await;
        }
    })
    .await;
    assert_eq!(world.history(&first).await, ["PostCreated", "PostPublished"]);
    assert_eq!(world.history(&next).await, ["PostCreated"]);
}
