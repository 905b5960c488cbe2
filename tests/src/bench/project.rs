//! The documents projection: events folded into MongoDB from the start of a log, beside the same documents inserted.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use serde::Serialize;

use super::PARTITIONS;
use super::load::{self, Pace, Target};
use super::report::{self, Aim, Round, Row};
use crate::program::Program;
use crate::servers::Servers;
use crate::system;
use crate::waiting::until;

/// What a person may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub rounds: usize,
    /// At least so many events stand in the log.
    pub events: u64,
}

const CONNECTIONS: usize = 64;
/// Documents of one `insert_many`: as many as a projector's batch may hold at the most.
const INSERT: usize = 10_000;
const SEED: u64 = 2;

#[derive(Serialize)]
struct Results<'a> {
    events: u64,
    rows: &'a [Row],
}

/// Fills a log over HTTP, projects it anew in each round, and inserts what that stored into empty collections.
pub async fn run(options: Options) -> Result<()> {
    let stack = Servers::Bench.stack().await;
    let env = system::fresh_environment(stack, "bench", PARTITIONS);
    let events = {
        let commands = Program::start(stack, "bench-command-api", "command-api", &[], &env);
        commands.is_ready().await;
        let target = Target::posts(&commands, Some(&load::author(stack)?), SEED)?;
        let mut events = 0;
        while events < options.events {
            eprintln!("filling the log: {events} of {} events", options.events);
            let outcome = load::run(&target, CONNECTIONS, Pace::Closed, Duration::ZERO, Duration::from_secs(5)).await?;
            // Those whose answer came after the end stand in the log as well, and are counted below.
            events += outcome.answers;
        }
        events
    };
    let client = mongodb::Client::with_uri_str(&stack.addresses().mongodb_uri).await?;
    let mut rounds = Vec::new();
    let mut stored = 0;
    for number in 1..=options.rounds {
        let name = format!("bench_project_{number}");
        let database = client.database(&name);
        database.drop().await?;
        let seconds = project(stack, &env, &name, &database, events).await?;
        let posts = documents(&database, "posts_v1").await?;
        let history = documents(&database, "post_events_v1").await?;
        stored = posts.len() as u64;
        if history.len() != posts.len() {
            bail!("{} posts have {} events, and each was created once", posts.len(), history.len());
        }
        let floor = insert(&database, &[posts, history]).await?;
        database.drop().await?;
        eprintln!("round {number} of {}: {seconds:.2} s, inserted in {floor:.2} s", options.rounds);
        rounds.push(Round { groot: stored as f64 / seconds, floor: Some(stored as f64 / floor) });
    }
    let rows = [Row::of("documents projection", "events/s", rounds, Aim::RatioAtLeast(0.6))];
    let title =
        format!("{stored} events into MongoDB; the floor is insert_many of the same documents (two for each event)");
    report::print(&title, &rows);
    println!("\nresults in {}", report::write("project", &Results { events: stored, rows: &rows })?.display());
    Ok(())
}

/// Seconds from the first batch that is stored to the last.
async fn project(
    stack: &'static xtask::stack::Stack,
    env: &[(String, String)],
    name: &str,
    database: &Database,
    events: u64,
) -> Result<f64> {
    let mut env = env.to_vec();
    env.push(("GROOT_MONGODB_DATABASE".to_owned(), name.to_owned()));
    env.push(("GROOT_GROUP_PREFIX".to_owned(), name.to_owned()));
    let projectors = Program::start(stack, &format!("{name}-projectors"), "projectors", &["documents"], &env);
    let posts = database.collection::<Document>("posts_v1");
    let count = async || posts.estimated_document_count().await.ok();
    let first =
        until("the first batch", async || count().await.filter(|count| *count > 0).map(|_| Instant::now())).await;
    // Quiet for a second means the end: what is stored is compared with what was answered.
    let mut last = (count().await, Instant::now());
    let end = until("the last batch", async || {
        let now = count().await;
        if now != last.0 {
            last = (now, Instant::now());
        }
        (now.is_some_and(|count| count >= events) && last.1.elapsed() > Duration::from_secs(1)).then_some(last.1)
    })
    .await;
    drop(projectors);
    Ok((end - first).as_secs_f64())
}

async fn documents(database: &Database, collection: &str) -> Result<Vec<RawDocumentBuf>> {
    Ok(database.collection::<RawDocumentBuf>(collection).find(doc! {}).await?.try_collect().await?)
}

/// Seconds for inserting them as fast as one connection goes.
async fn insert(database: &Database, collections: &[Vec<RawDocumentBuf>]) -> Result<f64> {
    let mut seconds = 0.0;
    for (number, documents) in collections.iter().enumerate() {
        let collection = database.collection::<RawDocumentBuf>(&format!("floor_{number}"));
        collection.drop().await?;
        let begin = Instant::now();
        for some in documents.chunks(INSERT) {
            collection.insert_many(some).await?;
        }
        seconds += begin.elapsed().as_secs_f64();
    }
    Ok(seconds)
}
