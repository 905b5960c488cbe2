//! How long each program takes from its start until it is ready, where it has run before: with local state, and checkpoints at the log's end.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::PARTITIONS;
use super::project::fill;
use super::report::{self, Aim, Round, Row};
use crate::client::Client;
use crate::program::Program;
use crate::servers::Servers;
use crate::system::Fresh;
use crate::waiting::until_within;

/// What a person may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub rounds: usize,
    /// In the log.
    pub posts: u64,
}

const CONTENT: usize = 1024;
/// For the first start, which has all to fold and to project.
const PATIENCE: Duration = Duration::from_secs(3_600);
const AIM: Aim = Aim::AtMost(1_000.0);
/// Of `projectors all`: documents, search, analytics and activity.
const PROJECTIONS: usize = 4;
const PROGRAMS: [(&str, &[&str]); 3] = [("command-api", &[]), ("projectors", &["all"]), ("query-api", &[])];

pub async fn run(options: Options) -> Result<()> {
    let stack = Servers::WholeBench.stack().await;
    let fresh = Fresh::on(stack, "start", PARTITIONS);
    fill(stack, &fresh, options.posts, CONTENT).await?;
    let start = |(name, args)| (name, Program::start(stack, &format!("start-{name}"), name, args, &fresh.env));
    let programs = PROGRAMS.map(start);
    for (_, program) in &programs {
        program.is_ready_within(PATIENCE).await;
    }
    let [_, (_, projectors), _] = &programs;
    until_within(PATIENCE, "the projections to be at the end of the log", async || {
        let page = Client::default().request("GET", &format!("{}/metrics", projectors.admin)).send().await.ok()?;
        has_projected_all(&page.text().await.ok()?).then_some(())
    })
    .await;
    let mut rows = Vec::new();
    for (name, program) in &programs {
        let mut rounds = Vec::new();
        for number in 1..=options.rounds {
            program.terminate();
            let (code, said) = program.ended().await;
            ensure!(code == Some(0), "{name} ended with {code:?}:\n{said}");
            let began = Instant::now();
            program.restart();
            program.is_ready_within(PATIENCE).await;
            let took = began.elapsed().as_secs_f64() * 1_000.0;
            eprintln!("{name}, round {number} of {}: {took:.0} ms", options.rounds);
            rounds.push(Round { groot: took, floor: None });
        }
        rows.push(Row::of(format!("{name}: from its start until it is ready"), "ms", rounds, AIM));
    }
    let title = format!("Starts of programs that have run before, with {} posts; looked at every 20 ms", options.posts);
    report::print(&title, &rows);
    #[derive(Serialize)]
    struct Results<'a> {
        posts: u64,
        rows: &'a [Row],
    }
    println!("\nresults in {}", report::write("start", &Results { posts: options.posts, rows: &rows })?.display());
    Ok(())
}

/// By its metrics.
fn has_projected_all(metrics: &str) -> bool {
    let lags: Vec<&str> = metrics.lines().filter(|line| line.starts_with("projection_lag_records{")).collect();
    lags.len() == PROJECTIONS * PARTITIONS as usize && lags.iter().all(|line| line.ends_with(" 0"))
}
