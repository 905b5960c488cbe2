//! What a partition that is full does to commands of the others, where it is full because its broker is slow and not because the
//! processors are.
//!
//! On three brokers the way to one of them takes some seconds longer. A partition that it leads gets more than it can hold, so
//! that its queue is full and it answers 503 with Retry-After, which its clients obey. Those who edit posts in partitions of the other
//! brokers are measured, before and meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use event_log::kafka::partition_for;
use hyper::Method;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::PARTITIONS;
use super::body;
use super::load::{self, Pace, Target};
use super::report::{self, Aim, Round, Row};
use crate::client::{Answer, Client};
use crate::faults::links::{Links, Stream};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::{Fresh, POSTS};

const WAY: usize = 0;
/// The broker that is slow, as Kafka numbers them, and by how much.
const SLOW: i32 = 2;
const LATENCY: Duration = Duration::from_millis(3_000);
/// Longer than the way to the slow broker, so that the partition is full when measuring begins.
const WARM_UP: Duration = Duration::from_secs(6);
const FIRST_WARM_UP: Duration = Duration::from_secs(8);
const QUIET_CONNECTIONS: usize = 16;
/// Clients of the partition that is full, and the bytes that each has on its way: together a seventh more than a partition holds (8 MiB).
const CLIENTS: usize = 160;
const CONTENT: usize = 60_000;
/// Different contents that are sent, one after another.
const BODIES: usize = 31;
const POSTS_MADE: usize = 24 * PARTITIONS as usize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Results<'a> {
    rows: &'a [Row],
    /// Of the partition that is full, in all rounds.
    taken: u64,
    refused: u64,
}

/// Measures the others' latency at `rate` commands per second.
pub async fn run(options: load::Options, rate: f64) -> Result<()> {
    let stack = Servers::BenchCluster.stack().await;
    let Fresh { kafka, mut env, .. } = Fresh::on(stack, "backlog", PARTITIONS);
    env.push(("GROOT_KAFKA_BROKERS".to_owned(), stack.addresses().ways[WAY].clone()));
    let program = Program::start(stack, "backlog-command-api", "command-api", &[], &env);
    program.is_ready().await;
    let author = load::author(stack)?;
    let slow = led_by(&kafka.brokers, &kafka.events_topic, SLOW)?;
    let full = *slow.first().context("the slow broker leads no partition")?;
    let (mut victims, mut quiet) = (Vec::new(), Vec::new());
    for id in load::make_posts(&program, &author, POSTS_MADE).await? {
        match partition_for(id.as_bytes(), PARTITIONS) {
            partition if partition == full => victims.push(format!("{}{POSTS}/{id}", program.base)),
            partition if slow.contains(&partition) => {}
            _ => quiet.push(format!("{POSTS}/{id}")),
        }
    }
    ensure!(!victims.is_empty() && !quiet.is_empty(), "there is no post in some partition");
    let titles = (0..509).map(|n| json!({ "title": format!("Title {n}") }).to_string().into()).collect();
    let target = Target {
        method: Method::PATCH,
        paths: Arc::new(quiet),
        bodies: Arc::new(titles),
        status: 200,
        ..Target::posts(&program, Some(&author), 1)?
    };
    let links = Links::to_broker(stack, SLOW as usize - 1);
    links.slow(Stream::ToBrokers, LATENCY).await;
    eprintln!("warming up");
    let pace = Pace::PerSecond(rate);
    load::run(&target, QUIET_CONNECTIONS, pace, FIRST_WARM_UP, Duration::ZERO).await?;
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    let (mut taken, mut refused) = (0, 0);
    for number in 1..=options.rounds {
        eprintln!("round {number} of {}", options.rounds);
        let alone = load::run(&target, QUIET_CONNECTIONS, pace, WARM_UP, options.duration).await?;
        let end = Instant::now() + WARM_UP + options.duration;
        let (beside, (some, others)) = tokio::try_join!(
            load::run(&target, QUIET_CONNECTIONS, pace, WARM_UP, options.duration),
            fill(&victims, &author, end)
        )?;
        ensure!(others > 0, "the partition was never full: {some} commands were taken");
        taken += some;
        refused += others;
        for (rounds, quantile) in [(&mut p50, 0.5), (&mut p99, 0.99)] {
            rounds.push(Round { groot: beside.millis(quantile), floor: Some(alone.millis(quantile)) });
        }
    }
    links.let_go(Stream::ToBrokers).await;
    let row = |quantile, rounds| {
        Row::of(format!("command latency {quantile} at {rate}/s, beside none"), "ms", rounds, Aim::RatioAtMost(2.0))
    };
    let rows = [row("p50", p50), row("p99", p99)];
    report::print(
        &format!(
            "Edits in partitions of two brokers, while one of a third broker, {} ms away, is full \
             ({taken} commands of {CONTENT} bytes taken and {refused} refused with 503); three brokers, two of which must have each record",
            LATENCY.as_millis()
        ),
        &rows,
    );
    println!("results in {}", report::write("backlog", &Results { rows: &rows, taken, refused })?.display());
    Ok(())
}

/// Edits until the end by clients that do as they are told, and tells how many edits were taken and how many refused.
async fn fill(posts: &[String], author: &str, end: Instant) -> Result<(u64, u64)> {
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    // Made before: making them takes the processors that are measured.
    let mut rng = rand::SeedableRng::seed_from_u64(1);
    let bodies: Vec<Bytes> =
        (0..BODIES).map(|_| json!({ "content": body::text(&mut rng, CONTENT) }).to_string().into()).collect();
    let bodies = Arc::new(bodies);
    let http = Client::default();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (http, author, counts, bodies) = (http.clone(), author.to_owned(), counts.clone(), bodies.clone());
        let path = posts[number % posts.len()].clone();
        clients.spawn(async move {
            for turn in number.. {
                if Instant::now() >= end {
                    break;
                }
                let request = http.request("PATCH", &path).bearer_auth(&author);
                let request = request.header("content-type", "application/json").body(bodies[turn % BODIES].clone());
                let answer = Answer::of(request).await?;
                match answer.status {
                    200 => counts[0].fetch_add(1, Ordering::Relaxed),
                    503 => {
                        let told =
                            answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                        let pause = Duration::from_secs(told.context("a 503 says when to try again")?);
                        tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
                        counts[1].fetch_add(1, Ordering::Relaxed)
                    }
                    _ => anyhow::bail!("{answer:?}"),
                };
            }
            Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok((counts[0].load(Ordering::Relaxed), counts[1].load(Ordering::Relaxed)))
}

/// The partitions that a broker leads.
fn led_by(brokers: &str, topic: &str, broker: i32) -> Result<BTreeSet<u32>> {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let metadata = client.fetch_metadata(Some(topic), Duration::from_secs(10))?;
    let topic = metadata.topics().first().context("the topic is not there")?;
    let led = topic.partitions().iter().filter(|partition| partition.leader() == broker);
    Ok(led.map(|partition| partition.id() as u32).collect())
}
