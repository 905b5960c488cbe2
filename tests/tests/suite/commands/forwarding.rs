//! Commands that reach an instance which does not own their partition.

use command_api::domain::Command;
use command_api::domain::post::PostCommand;
use event_log::kafka::{OwnerHint, OwnerHints, partition_for};
use event_log::record::{Epoch, Nonce};
use event_schema::id::PostId;
use groot_tests::peer::{self, MAX_HOPS};
use serde_json::json;
use uuid::Uuid;
use xtask::token::Role;

use super::process::{Instance, pause};
use super::world::{POSTS, Token, World, soon, stack};

const PARTITIONS: u32 = 2;
/// What an instance says of it.
const PASSED_ON: &str = "passed a command on";

/// Two instances with a partition each, and a post in the one that the second owns.
struct Scene {
    world: World,
    author: Token,
    first: Instance,
    second: Instance,
    post: String,
    partition: u32,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new(PARTITIONS).await;
        let author = world.token(Role::Author);
        let env = [("GROOT_LOG", "info,command_api=debug,service=debug")];
        let (first, second) = tokio::join!(Instance::start_with(&world, &env), Instance::start_with(&world, &env));
        first.serves_until(&world, "one partition", |count| count == 1).await;
        second.serves_until(&world, "the other one", |count| count == 1).await;
        let partition = second.serves(&world).await[0];
        // What is new gets an id of a partition that is served where it is made.
        let post = world.post(&second.base, &author).await;
        assert_eq!(partition_for(post.as_bytes(), PARTITIONS), partition);
        Self { world, author, first, second, post, partition }
    }

    async fn edit(&self, base: &str, headers: &[(&str, &str)]) -> super::world::Answer {
        let path = format!("{POSTS}/{}", self.post);
        self.world.send(base, "PATCH", &path, &self.author, headers, Some(&json!({ "title": "On waves" }))).await
    }

    /// Makes both instances believe that the partition is owned there.
    async fn tell(&self, address: &str) {
        let hints = OwnerHints::connect(&self.world.kafka, self.world.identity).unwrap();
        let epoch = Epoch { offset: 1 << 40, nonce: Nonce(Uuid::nil()) };
        hints.publish(self.partition, &OwnerHint { address: address.to_owned(), owner: "nobody".to_owned(), epoch });
        for instance in [&self.first, &self.second] {
            soon("the hint", async {
                while instance.owners(&self.world).await["partitions"][self.partition.to_string()]["address"] != address
                {
                    pause().await;
                }
            })
            .await;
        }
        hints.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_passed_on_bears_one_trace_in_the_logs_of_both_instances() {
    let scene = Scene::new().await;
    let trace = Uuid::now_v7().simple().to_string();
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    scene.edit(&scene.first.base, &[("traceparent", &traceparent)]).await.is(200);
    for (instance, line) in [(&scene.first, PASSED_ON), (&scene.second, "took a command that was passed on")] {
        soon(line, async {
            while !instance.lines().iter().any(|said| said.contains(line) && said.contains(&trace)) {
                pause().await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_not_passed_on_to_oneself_but_refused_with_a_time_to_come_back() {
    let scene = Scene::new().await;
    scene.tell(&scene.first.admin).await;
    let before = scene.first.has_said(PASSED_ON);
    let answer = scene.edit(&scene.first.base, &[]).await;
    answer.is_problem(503, "no-owner");
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(scene.first.has_said(PASSED_ON), before);
    scene.edit(&scene.second.base, &[]).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_passed_on_twice_is_passed_on_no_further() {
    let scene = Scene::new().await;
    let delete = Command::Post { id: PostId::new(scene.post.parse().unwrap()), command: PostCommand::Delete };
    let (admin, author) = (&scene.first.admin, scene.author.person);
    let pass_on = async |hops: u8| peer::pass_on(stack(), admin, author, delete.clone(), hops).await;
    let before = scene.first.has_said(PASSED_ON);
    assert_eq!(pass_on(MAX_HOPS).await, "NoOwner");
    assert_eq!(scene.first.has_said(PASSED_ON), before);
    assert_eq!(scene.world.history(&scene.post).await, ["PostCreated"]);
    assert_eq!(pass_on(MAX_HOPS - 1).await["Answered"]["Done"]["version"], 2);
    assert_eq!(scene.world.history(&scene.post).await, ["PostCreated", "PostDeleted"]);
}
