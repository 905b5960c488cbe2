//! From the answer to a command until a read shows it, in each store, while others write.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use super::PARTITIONS;
use super::body;
use super::load::{self, Pace, Target};
use super::report::{self, Aim, Round, Row};
use crate::client::{Answer, Client};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::{Fresh, POSTS};

const CONNECTIONS: usize = 16;
const WARM_UP: Duration = Duration::from_secs(8);
/// A server of the Java kind is many times as slow until it has compiled itself, and by then has much to catch up with. So it is warm when a
/// read comes within this time, or after so many looks.
const SOON: Duration = Duration::from_millis(500);
const LOOKS: usize = 40;
/// Between two commands whose effect is waited for.
const PAUSE: Duration = Duration::from_millis(40);

/// A store, the projection into it, what is read, and what its p99 should be.
const STORES: [(&str, &str, &str, Aim); 3] = [
    ("MongoDB", "documents", "/api/universal/post?limit=1", Aim::AtMost(50.0)),
    ("Elasticsearch", "search", "/api/search?q=kato&limit=1", Aim::None),
    ("ClickHouse", "analytics", "/api/analytics/overview", Aim::None),
];

/// Writes at this rate, and beside it commands of its own, each of which is then read at its position. One projection runs at a time:
/// together they would wait for the processor, and not each for its store.
pub async fn run(options: load::Options, is_wanted: impl Fn(&str) -> bool, rate: f64) -> Result<()> {
    let stack = Servers::WholeBench.stack().await;
    let author = load::author(stack)?;
    let mut rows = Vec::new();
    for (store, projection, path, aim) in STORES.into_iter().filter(|(_, projection, ..)| is_wanted(projection)) {
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        let fresh = Fresh::on(stack, &format!("visible-{projection}"), PARTITIONS);
        let start = |name: &str, args: &[&str]| {
            Program::start(stack, &format!("visible-{projection}-{name}"), name, args, &fresh.env)
        };
        let commands = start("command-api", &[]);
        commands.is_ready().await;
        let projectors = start("projectors", &[projection]);
        let queries = start("query-api", &[]);
        tokio::join!(projectors.is_ready(), queries.is_ready());
        let target = Target::posts(&commands, Some(&author), 5)?;
        eprintln!("{store}: warming up");
        let http = Client::default();
        for _ in 0..LOOKS {
            load::run(&target, CONNECTIONS, Pace::PerSecond(rate), Duration::ZERO, WARM_UP).await?;
            let took = see(&http, &commands.base, &queries.base, path, &author, &body::posts(7)[0]).await?;
            if took.is_some_and(|took| took < SOON) {
                break;
            }
        }
        for number in 1..=options.rounds {
            let end = Instant::now() + options.duration;
            let (load, seen) = tokio::try_join!(
                load::run(&target, CONNECTIONS, Pace::PerSecond(rate), Duration::ZERO, options.duration),
                watch(&commands.base, &queries.base, path, &author, end),
            )?;
            let millis = |quantile| seen.value_at_quantile(quantile) as f64 / 1000.0;
            eprintln!(
                "round {number} of {}: {store}: {} reads, p50 {:.1} ms, p99 {:.1} ms, at {:.0} commands/s",
                options.rounds,
                seen.len(),
                millis(0.5),
                millis(0.99),
                load.per_second()
            );
            ensure!(load.per_second() > rate * 0.95, "{:.0} commands/s is not the rate asked for", load.per_second());
            p50.push(Round { groot: millis(0.5), floor: None });
            p99.push(Round { groot: millis(0.99), floor: None });
        }
        rows.push(Row::of(format!("answer to visible in {store}, p50"), "ms", p50, Aim::None));
        rows.push(Row::of(format!("answer to visible in {store}, p99"), "ms", p99, aim));
    }
    let title = format!(
        "From the answer to a command to the answer of a read at its position, at {rate:.0} commands/s, posts of {} bytes, one projection at a time",
        body::CONTENT_BYTES
    );
    report::print(&title, &rows);
    #[derive(Serialize)]
    struct Results<'a> {
        rate: f64,
        rows: &'a [Row],
    }
    println!("\nresults in {}", report::write("visible", &Results { rate, rows: &rows })?.display());
    Ok(())
}

/// Microseconds of reads that name the position of a command which was just answered.
async fn watch(commands: &str, queries: &str, path: &str, author: &str, end: Instant) -> Result<Histogram<u64>> {
    let http = Client::default();
    let mut seen = Histogram::new_with_bounds(1, 60_000_000, 3)?;
    for post in body::posts(6).into_iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        let took = see(&http, commands, queries, path, author, &post).await?;
        seen.saturating_record(took.context("it was not to be read within 10 s")?.as_micros() as u64);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(seen)
}

/// How long it took until a read shows a command, from its answer on. None if the read gave up.
async fn see(
    http: &Client,
    commands: &str,
    queries: &str,
    path: &str,
    author: &str,
    post: &Bytes,
) -> Result<Option<Duration>> {
    let request = http.request("POST", &format!("{commands}{POSTS}")).bearer_auth(author);
    let made = Answer::of(request.header("content-type", "application/json").body(post.clone())).await?;
    ensure!(made.status == 201, "a post could not be made: {made:?}");
    let begin = Instant::now();
    let read = http.request("GET", &format!("{queries}{path}")).header("Groot-Min-Position", made.position());
    let read = Answer::of(read.header("Prefer", "wait=10")).await?;
    match read.status {
        200 => Ok(Some(begin.elapsed())),
        503 => Ok(None),
        _ => bail!("it was not to be read: {read:?}"),
    }
}
