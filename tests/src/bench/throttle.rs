//! What live reads and commands feel of a rebuild whose rate is bounded.

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

use super::PARTITIONS;
use super::load::{self, Outcome, Pace, Target};
use super::project::{fill, project, replay_tool};
use super::report::{self, Aim, Round, Row};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::{Fresh, POSTS};

/// What a person may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub load: load::Options,
    /// At least so many events are rebuilt.
    pub events: u64,
    /// Records of the log a second that the rebuild may take.
    pub max_rate: u32,
    /// Reads a second; there are a fifth as many commands.
    pub reads: f64,
}

const CONTENT: usize = 1024;
const CONNECTIONS: usize = 16;
const WARM_UP: Duration = Duration::from_secs(3);
const FIRST_WARM_UP: Duration = Duration::from_secs(20);
const DIFFERENT: usize = 5_000;
/// At most this many times as long as without the rebuild.
const AIM: Aim = Aim::RatioAtMost(1.5);

struct Live {
    reads: Target,
    commands: Target,
    rate: f64,
}

pub async fn run(options: Options) -> Result<()> {
    let stack = Servers::WholeBench.stack().await;
    let fresh = Fresh::on(stack, "throttle", PARTITIONS);
    let (filler, events) = fill(stack, &fresh, options.events / 2, CONTENT).await?;
    project(stack, &fresh, "documents", events).await?;
    // What is kept in memory says nothing of the store.
    let env: Vec<_> = fresh.env.iter().cloned().chain([("GROOT_POST_CACHE_MIB".to_owned(), "0".to_owned())]).collect();
    let start = |name: &str, args: &[&str]| Program::start(stack, &format!("throttle-{name}"), name, args, &env);
    let (commands, projectors) = (start("command-api", &[]), start("projectors", &["documents"]));
    let queries = start("query-api", &[]);
    tokio::join!(commands.is_ready(), projectors.is_ready(), queries.is_ready());
    let author = load::author(stack)?;
    let mut rng = StdRng::seed_from_u64(9);
    let ids = (0..DIFFERENT).map(|_| format!("{POSTS}/{}", filler.any(&mut rng))).collect();
    let reads = Target::reads(&queries, ids)?;
    let live = Live { reads, commands: Target::posts(&commands, Some(&author), 3)?, rate: options.reads };
    eprintln!("warming up");
    live.load(FIRST_WARM_UP, Duration::ZERO).await?;
    let mut rounds: [Vec<Round>; 4] = Default::default();
    for number in 1..=options.load.rounds {
        let alone = live.load(WARM_UP, options.load.duration).await?;
        let rate = options.max_rate.to_string();
        // Cut off in the end; the next round goes on with the same version.
        let mut rebuild = replay_tool(stack, &fresh, &["rebuild", "documents", "--max-rate", &rate]).await?;
        let beside = live.load(WARM_UP, options.load.duration).await?;
        ensure!(
            rebuild.try_wait()?.is_none(),
            "the rebuild ended too early: there must be more events, or fewer rounds"
        );
        rebuild.kill().await?;
        let told = |of: &(Outcome, Outcome)| [of.0.millis(0.5), of.0.millis(0.99), of.1.millis(0.5), of.1.millis(0.99)];
        let (alone, beside) = (told(&alone), told(&beside));
        eprintln!("round {number} of {}: {alone:.1?} ms, beside the rebuild {beside:.1?} ms", options.load.rounds);
        for (rounds, (groot, floor)) in rounds.iter_mut().zip(beside.into_iter().zip(alone)) {
            rounds.push(Round { groot, floor: Some(floor) });
        }
    }
    let figures = ["read by id, p50", "read by id, p99", "command, p50", "command, p99"];
    let row = |(figure, rounds)| Row::of(format!("{figure}, beside without a rebuild"), "ms", rounds, AIM);
    let rows: Vec<_> = figures.into_iter().zip(rounds).map(row).collect();
    let title = format!(
        "{:.0} reads and {:.0} commands a second beside a rebuild of documents ({events} events) at {} records a second",
        options.reads,
        options.reads / 5.0,
        options.max_rate
    );
    report::print(&title, &rows);
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Results<'a> {
        max_rate: u32,
        reads: f64,
        rows: &'a [Row],
    }
    let results = Results { max_rate: options.max_rate, reads: options.reads, rows: &rows };
    println!("\nresults in {}", report::write("throttle", &results)?.display());
    Ok(())
}

impl Live {
    async fn load(&self, warm_up: Duration, duration: Duration) -> Result<(Outcome, Outcome)> {
        tokio::try_join!(
            load::run(&self.reads, CONNECTIONS, Pace::PerSecond(self.rate), warm_up, duration),
            load::run(&self.commands, CONNECTIONS, Pace::PerSecond(self.rate / 5.0), warm_up, duration)
        )
    }
}
