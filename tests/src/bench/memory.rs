//! The memory of command-api as its aggregates grow.
//!
//! For each number of posts it fills a log, starts a command-api with nothing, which folds the log, edits posts at random, a few and then
//! so many that all that is bounded is full, and then starts it again from local state and edits as many. It prints resident memory in MiB.

use std::time::{Duration, Instant};

use crate::client::{Answer, Client};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::POSTS;
use anyhow::{Result, bail, ensure};
use event_log::kafka::KafkaConfig;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use xtask::token::{self, Person, Role};

use super::PARTITIONS;
use super::fill::{Filler, Posts};

/// Edits after each start, in all, after which memory is looked at: of posts drawn at random, most of which are not in any cache. A start
/// from nothing with few posts takes longest to fill buffers and caches.
const EDITS: [usize; 3] = [80_000, 240_000, 960_000];
const AT_ONCE: usize = 32;
/// How long a fold may take.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Measures at each of these numbers of posts.
pub async fn run(counts: &[u64]) -> Result<()> {
    ensure!(counts.is_sorted(), "the numbers of posts must grow: each is reached from the one before");
    let stack = Servers::Bench.stack().await;
    let addresses = stack.addresses();
    let kafka = KafkaConfig { partitions: PARTITIONS, ..KafkaConfig::local(&addresses.kafka_brokers) };
    let person = Person { role: Role::Admin, user: None, name: None };
    let token = token::issue(stack.paths(), &person)?;
    let mut filler = Filler::connect(stack, &kafka, Posts::Drafts).await?;
    let mut rng = StdRng::seed_from_u64(42);
    let [few, some, many] = EDITS.map(|edits| format!("{edits} edits, MiB"));
    println!(
        "|     posts | start   | ready after s | folded, MiB | {few:>16} | {some:>16} | {many:>17} | most, MiB | edits/s |"
    );
    println!(
        "|----------:|---------|--------------:|------------:|-----------------:|-----------------:|------------------:|----------:|--------:|"
    );
    for &count in counts {
        filler.fill_to(count).await?;
        let mut env = addresses.env();
        let objects = stack.paths().data("memory-objects").display().to_string();
        env.push(("GROOT_OBJECT_STORE".to_owned(), objects));
        // None while it is measured: they are a moment's work, and the start from nothing is wanted each time.
        env.push(("GROOT_SNAPSHOT_RECORDS".to_owned(), u64::MAX.to_string()));
        let program = Program::start(stack, &format!("memory-{count}"), "command-api", &[], &env);
        for start in ["nothing", "local"] {
            let began = Instant::now();
            program.is_ready_within(PATIENCE).await;
            let ready = began.elapsed();
            let folded = program.resident()?.mib;
            let began = Instant::now();
            let (mut done, mut after) = (0, [0.0; EDITS.len()]);
            for (edits, after) in EDITS.into_iter().zip(&mut after) {
                edit(&program, &filler, &token, &mut rng, edits - done).await?;
                done = edits;
                *after = program.resident()?.mib;
            }
            let rate = done as f64 / began.elapsed().as_secs_f64();
            let [few, some, many] = after;
            let most = program.resident()?.most_mib;
            let seconds = ready.as_secs_f64();
            println!(
                "| {count:>9} | {start:<7} | {seconds:>13.1} | {folded:>11.0} | {few:>16.0} | {some:>16.0} | {many:>17.0} | {most:>9.0} | {rate:>7.0} |"
            );
            program.terminate();
            let (code, said) = program.ended().await;
            ensure!(code == Some(0), "command-api ended with {code:?}:\n{said}");
            if start == "nothing" {
                program.restart();
            }
        }
    }
    Ok(())
}

async fn edit(program: &Program, filler: &Filler, token: &str, rng: &mut StdRng, edits: usize) -> Result<()> {
    let http = Client::default();
    let mut left = edits;
    while left > 0 {
        let posts: Vec<_> = (0..AT_ONCE.min(left)).map(|_| filler.any(rng)).collect();
        left -= posts.len();
        let edits = posts.iter().map(|id| {
            let body: Value = json!({ "title": format!("Edited {:x}", rng.random::<u64>()) });
            Answer::of(http.request("PATCH", &format!("{}{POSTS}/{id}", program.base)).bearer_auth(token).json(&body))
        });
        let edits: Vec<_> = edits.collect();
        for answer in futures::future::join_all(edits).await {
            let answer = answer?;
            if answer.status != 200 {
                bail!("an edit was answered {answer:?}");
            }
        }
    }
    Ok(())
}
