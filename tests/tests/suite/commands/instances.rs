//! Several instances beside each other.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use xtask::token::Role;

use super::process::{Instance, pause};
use super::world::{POSTS, Token, World, draft, soon};

const PARTITIONS: u32 = 6;

/// Creates `count` posts over each instance; the keys make sure that every one counts once.
async fn write(world: &World, author: &Token, bases: &[&str], name: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        for base in bases {
            let key = format!("{name} {n} {base}");
            let answer = world.send(base, "POST", POSTS, author, &[("idempotency-key", &key)], Some(&draft())).await;
            ids.push(answer.is(201).id());
        }
    }
    ids
}

/// Every post can be edited over this instance: so all partitions are served, with all that is in them.
async fn edit_all(world: &World, author: &Token, base: &str, ids: &[String], title: &str) {
    for id in ids {
        let path = format!("{POSTS}/{id}");
        world.send(base, "PATCH", &path, author, &[], Some(&json!({ "title": title }))).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_partitions_and_when_one_ends_the_other_serves_all() {
    let world = World::new(PARTITIONS).await;
    let author = world.token(Role::Author);
    let first = Instance::start(&world).await;
    first.serves_until(&world, "all partitions", |count| count == PARTITIONS as usize).await;
    let mut ids = write(&world, &author, &[&first.base], "alone", 10).await;

    let second = Instance::start(&world).await;
    second.serves_until(&world, "a share of the partitions", |count| count == PARTITIONS as usize / 2).await;
    first.serves_until(&world, "the other share", |count| count == PARTITIONS as usize / 2).await;
    let shares: BTreeSet<_> = [first.serves(&world).await, second.serves(&world).await].concat().into_iter().collect();
    assert_eq!(shares.len(), PARTITIONS as usize, "each partition has one owner");
    ids.extend(write(&world, &author, &[&first.base, &second.base], "shared", 10).await);
    edit_all(&world, &author, &first.base, &ids, "by the first").await;
    edit_all(&world, &author, &second.base, &ids, "by the second").await;

    assert!(second.stop().await.success(), "SIGTERM ends with exit code 0");
    first.serves_until(&world, "all partitions again", |count| count == PARTITIONS as usize).await;
    edit_all(&world, &author, &first.base, &ids, "after the hand-over").await;

    let third = Instance::start(&world).await;
    third.serves_until(&world, "a share of the partitions", |count| count > 0).await;
    first.kill().await;
    third.serves_until(&world, "all partitions of the killed one", |count| count == PARTITIONS as usize).await;
    edit_all(&world, &author, &third.base, &ids, "after the kill").await;
    let histories = world.histories().await;
    for id in &ids {
        assert_eq!(histories[id].len(), 5, "{:?}", histories[id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_go_on_while_partitions_change_hands() {
    let world = World::new(PARTITIONS).await;
    let author = world.token(Role::Author);
    let first = Instance::start(&world).await;
    let base = first.base.clone();
    let stop = CancellationToken::new();
    let writing = async {
        let mut ids = Vec::new();
        while !stop.is_cancelled() {
            ids.extend(write(&world, &author, &[&base], &format!("round {}", ids.len()), 1).await);
        }
        ids
    };
    let changing = async {
        for _ in 0..2 {
            let other = Instance::start(&world).await;
            other.serves_until(&world, "a share", |count| count > 0).await;
            assert!(other.stop().await.success());
            first.serves_until(&world, "all", |count| count == PARTITIONS as usize).await;
        }
        stop.cancel();
    };
    let (ids, ()) = tokio::join!(writing, changing);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let histories = world.histories().await;
    for id in &ids {
        assert_eq!(histories[id], ["PostCreated"]);
    }
}

/// Creates posts over the instances in turn until it is told to stop; answers how many.
async fn write_over(
    world: &World,
    author: &Token,
    bases: &Mutex<Vec<String>>,
    name: &str,
    stop: &CancellationToken,
) -> usize {
    let mut count = 0;
    let mut turn = 0;
    while !stop.is_cancelled() {
        let key = format!("{name} {count}");
        loop {
            turn += 1;
            let base = {
                let bases = bases.lock().unwrap();
                bases[turn % bases.len()].clone()
            };
            let request = world.request(&base, "POST", POSTS, author).header("idempotency-key", &key).json(&draft());
            match request.send().await {
                Ok(answer) => {
                    let (status, text) = (answer.status(), answer.text().await);
                    assert_eq!(status, 201, "commands wait and do not fail: {text:?}");
                    break;
                }
                // It takes no more since it ends. Another instance is asked under the same key.
                Err(_) => {
                    assert!(!bases.lock().unwrap().contains(&base), "{base} takes commands until it is told to end")
                }
            }
        }
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_fails_while_one_instance_joins_and_another_ends() {
    let world = World::new(PARTITIONS).await;
    let author = world.token(Role::Author);
    let (first, second) = tokio::join!(Instance::start(&world), Instance::start(&world));
    first.serves_until(&world, "a share", |count| count == PARTITIONS as usize / 2).await;
    let bases = Mutex::new(vec![first.base.clone(), second.base.clone()]);
    let stop = CancellationToken::new();
    let names: Vec<String> = (0..6).map(|writer| format!("writer {writer}")).collect();
    let writing = futures::future::join_all(names.iter().map(|name| write_over(&world, &author, &bases, name, &stop)));
    let changing = async {
        let third = Instance::start(&world).await;
        bases.lock().unwrap().push(third.base.clone());
        third.serves_until(&world, "a third", |count| count == PARTITIONS as usize / 3).await;
        bases.lock().unwrap().retain(|base| *base != second.base);
        assert!(second.stop().await.success(), "SIGTERM ends with exit code 0");
        for instance in [&first, &third] {
            instance.serves_until(&world, "half", |count| count == PARTITIONS as usize / 2).await;
        }
        stop.cancel();
        third
    };
    let (counts, third) = tokio::join!(writing, changing);
    let written = world.all_events().await;
    assert_eq!(written.len(), counts.iter().sum::<usize>(), "each acknowledged command is in the log once");
    assert_eq!(written.iter().collect::<BTreeSet<_>>().len(), written.len());
    for instance in [&first, &third] {
        assert_eq!(instance.has_said("before others have claimed them"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_command_of_a_killed_instance_is_in_the_log_once() {
    let world = World::new(PARTITIONS).await;
    let author = world.token(Role::Author);
    let instance = Instance::start(&world).await;
    let base = instance.base.clone();
    // Eight at a time until the kill cuts them off.
    let writers = (0..8).map(|writer| {
        let (world, author, base) = (&world, &author, &base);
        async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                let key = format!("{writer} {n}");
                let request = world.request(base, "POST", POSTS, author).header("idempotency-key", &key).json(&draft());
                match request.send().await {
                    Ok(answer) if answer.status() == 201 => {
                        let body: serde_json::Value = match answer.json().await {
                            Ok(body) => body,
                            Err(_) => break,
                        };
                        acknowledged.push((key, body));
                    }
                    _ => break,
                }
            }
            acknowledged
        }
    });
    let kill = async {
        soon("a hundred records", async {
            while world.ends().await.iter().sum::<u64>() < 100 {
                pause().await;
            }
        })
        .await;
        instance.kill().await;
    };
    let (acknowledged, ()) = tokio::join!(futures::future::join_all(writers), kill);
    let acknowledged: Vec<_> = acknowledged.concat();
    assert!(acknowledged.len() > 50, "{}", acknowledged.len());

    let next = Instance::start(&world).await;
    for (key, first) in &acknowledged {
        let again = world.send(&next.base, "POST", POSTS, &author, &[("idempotency-key", key)], Some(&draft())).await;
        assert_eq!(&again.is(201).body, first, "the same key gives the first answer");
    }
    let histories = world.histories().await;
    assert!(histories.values().all(|history| history.len() == 1));
    assert!(acknowledged.iter().all(|(_, body)| histories.contains_key(body["id"].as_str().unwrap())));
}
