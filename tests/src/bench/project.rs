//! The projections: events folded into each store from the start of a log, beside the same documents inserted.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use event_log::kafka::{KafkaConfig, KafkaLog, read_all};
use read_model::analytics::ClickhouseAddress;
use read_model::versions::FIRST;
use serde::Serialize;
use tokio::process::{Child, Command};
use xtask::stack::Stack;

use super::PARTITIONS;
use super::fill::{Filler, Posts};
use super::inserts;
use super::report::{self, Aim, Round, Row};
use crate::binaries::binary;
use crate::client::{Answer, Client};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::Fresh;
use crate::waiting::until_within;

/// What a person may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub rounds: usize,
    /// At least so many events stand in the log, half of them publications.
    pub events: u64,
    /// Bytes of Markdown in each post.
    pub content: usize,
    /// By the operators' tool, into a new version; else by projectors, into the first one.
    pub rebuilt: bool,
    /// Whether one round more, before the others, is not counted: servers of the Java kind are several times as slow until they have
    /// compiled themselves.
    pub warm_up: bool,
}

/// How long a projection may take.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Results<'a> {
    events: u64,
    rows: &'a [Row],
    /// The most memory that a rebuild took, in MiB, in each round, by projection.
    most_mib: &'a [(&'a str, Vec<f64>)],
}

/// Fills a log, projects it anew in each round, and inserts what that stored into empty collections, indexes and tables.
pub async fn run(options: Options, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
    let stack = Servers::WholeBench.stack().await;
    let fresh = Fresh::on(stack, "project", PARTITIONS);
    let events = fill(stack, &fresh, options.events / 2, options.content).await?.1;
    let projections = [("documents", "insert_many", 0.6), ("search", "_bulk", 0.7), ("analytics", "RowBinary", 0.7)];
    let projections: Vec<_> = projections.into_iter().filter(|(projection, ..)| is_wanted(projection)).collect();
    let mut rounds = vec![Vec::new(); projections.len()];
    let mut most_mib: Vec<_> = projections.iter().map(|(projection, ..)| (*projection, Vec::new())).collect();
    for number in usize::from(!options.warm_up)..=options.rounds {
        for (((projection, ..), rounds), (_, most_mib)) in projections.iter().zip(&mut rounds).zip(&mut most_mib) {
            let fresh = fresh.again(stack, &format!("{projection}-{number}"));
            let (rate, version) = if options.rebuilt {
                let (rate, mib) = rebuild(stack, &fresh, projection, events).await?;
                most_mib.push(mib);
                (rate, FIRST + 1)
            } else {
                (project(stack, &fresh, projection, events).await?, FIRST)
            };
            let addresses = stack.addresses();
            let seconds = match *projection {
                "documents" => inserts::mongodb(&addresses.mongodb_uri, &fresh.name, version).await?,
                "search" => inserts::elasticsearch(&addresses.elasticsearch_url, &fresh.name, version).await?,
                _ => inserts::clickhouse(&analytics_address(stack, &fresh), version).await?,
            };
            let floor = events as f64 / seconds;
            eprintln!("round {number} of {}: {projection} {rate:.0}/s, inserted at {floor:.0}/s", options.rounds);
            if number > 0 {
                rounds.push(Round { groot: rate, floor: Some(floor) });
            }
        }
    }
    let rows: Vec<_> = projections
        .into_iter()
        .zip(rounds)
        .map(|((projection, floor, least), rounds)| {
            Row::of(format!("{projection} beside {floor}"), "events/s", rounds, Aim::RatioAtLeast(least))
        })
        .collect();
    let by = if options.rebuilt { "by replay-tool rebuild" } else { "by projectors" };
    let title = format!(
        "{events} events of posts of {} bytes, from the start of a log, {by}; the floors insert the same documents over {} connections",
        options.content,
        inserts::CONNECTIONS
    );
    report::print(&title, &rows);
    for (projection, mib) in most_mib.iter().filter(|(_, mib)| !mib.is_empty()) {
        println!(
            "the rebuild of {projection} took {:.0} MiB of memory at the most",
            mib.iter().copied().fold(0.0, f64::max)
        );
    }
    let name = if options.rebuilt { "rebuild" } else { "project" };
    let results = Results { events, rows: &rows, most_mib: &most_mib };
    println!("\nresults in {}", report::write(name, &results)?.display());
    Ok(())
}

/// Makes a second version by the operators' tool, and gives events/s of the whole command, with its start, and the most memory that it took.
async fn rebuild(stack: &Stack, fresh: &Fresh, projection: &str, events: u64) -> Result<(f64, f64)> {
    let begin = Instant::now();
    let mut tool = replay_tool(stack, fresh, &["rebuild", projection]).await?;
    let status = tool.id().map(|pid| format!("/proc/{pid}/status"));
    let mut most = 0.0_f64;
    let ended = loop {
        tokio::select! {
            ended = tool.wait() => break ended?,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let text = status.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
                let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
                most = most.max(kib.unwrap_or_default() / 1024.0);
            }
        }
    };
    ensure!(ended.success(), "the rebuild of {projection} ended with {ended}");
    Ok((events as f64 / begin.elapsed().as_secs_f64(), most))
}

/// Starts the operators' tool. It ends with what this gives.
pub async fn replay_tool(stack: &Stack, fresh: &Fresh, args: &[&str]) -> Result<Child> {
    let program = tokio::task::spawn_blocking(|| binary("replay-tool")).await?;
    let mut tool = Command::new(program);
    tool.args(args).envs(stack.addresses().env()).envs(fresh.env.iter().cloned());
    Ok(tool.stdout(Stdio::null()).kill_on_drop(true).spawn()?)
}

/// Fills a new log with so many published posts. Gives what has filled it, and how many events there are.
pub async fn fill(stack: &Stack, fresh: &Fresh, posts: u64, content: usize) -> Result<(Filler, u64)> {
    let kafka = KafkaConfig { lanes: 3, ..fresh.kafka.clone() };
    let mut filler = Filler::connect(stack, &kafka, Posts::Published { content }).await?;
    eprintln!("filling the log with {posts} posts");
    let began = Instant::now();
    filler.fill_to(posts).await?;
    eprintln!("filled in {:.0} s", began.elapsed().as_secs_f64());
    let mut events = 0;
    let count = |_, delivery: event_log::kafka::Delivery| {
        events += delivery.commits.iter().map(|commit| commit.records.len() as u64).sum::<u64>();
    };
    read_all(&KafkaLog::connect(&kafka)?, count).await?;
    Ok((filler, events))
}

/// Projects the whole log, and gives events/s from the moment when all partitions are read to the last one written.
pub async fn project(stack: &'static Stack, fresh: &Fresh, projection: &str, events: u64) -> Result<f64> {
    let name = format!("bench-{}", fresh.name);
    let program = Program::start(stack, &name, "projectors", &[projection], &fresh.env);
    let http = Client::default();
    let label = format!("projection=\"{projection}\"");
    let state = "state=\"running\"";
    let told = async || {
        let page = Answer::of(http.request("GET", &format!("{}/metrics", program.admin))).await.ok()?;
        let text = page.body.as_str()?.to_owned();
        let running = metric(&text, "projection_partitions", &[&label, state]);
        Some((metric(&text, "projection_events_total", &[&label]) as u64, running as u32))
    };
    let begin = until_within(PATIENCE, "all partitions to be read", async || {
        told().await.filter(|(_, running)| *running == PARTITIONS).map(|(written, _)| (written, Instant::now()))
    });
    let (already, begin) = begin.await;
    let end = until_within(PATIENCE, "the last event to be written", async || {
        told().await.filter(|(written, _)| *written >= events).map(|_| Instant::now())
    });
    let end = end.await;
    Ok((events - already) as f64 / (end - begin).as_secs_f64())
}

/// The value of the line with this name and all these labels; 0 where there is none yet.
fn metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    let is_it = |line: &&str| {
        let behind = line.strip_prefix(name);
        behind.is_some_and(|behind| behind.starts_with('{') && labels.iter().all(|label| behind.contains(label)))
    };
    let line = text.lines().find(is_it);
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

fn analytics_address(stack: &Stack, fresh: &Fresh) -> ClickhouseAddress {
    ClickhouseAddress {
        url: stack.addresses().clickhouse_url.clone(),
        database: fresh.analytics.clone(),
        user: String::new(),
        password: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_name_and_labels() {
        let text =
            "# HELP a\na_total{projection=\"x\",b=\"1\"} 7\na_total{projection=\"y\"} 8\na{projection=\"y\"} 9\n";
        assert_eq!(metric(text, "a_total", &["projection=\"y\""]), 8.0);
        assert_eq!(metric(text, "a_total", &["projection=\"x\"", "b=\"1\""]), 7.0);
        assert_eq!(metric(text, "a_total", &["projection=\"z\""]), 0.0);
    }
}
