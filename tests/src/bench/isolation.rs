//! What one saturated partition does to commands of the others.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use event_log::kafka::partition_for;
use hyper::Method;
use serde::Serialize;
use serde_json::json;

use super::PARTITIONS;
use super::load::{self, Pace, Target};
use super::report::{self, Aim, Round, Row};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::{Fresh, POSTS};

const WARM_UP: Duration = Duration::from_secs(2);
const FIRST_WARM_UP: Duration = Duration::from_secs(8);
/// Of the load whose latency is measured.
const QUIET_CONNECTIONS: usize = 16;
/// Posts that are edited.
const POSTS_MADE: usize = 24 * PARTITIONS as usize;
/// The partition that is saturated.
const BUSY: u32 = 0;
const TITLES: usize = 509;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Results<'a> {
    rows: &'a [Row],
    /// Commands per second that the busy partition took.
    busy_per_second: f64,
    /// Commands per second that all partitions took when the same load was spread over them.
    spread_per_second: f64,
}

/// Measures the others' latency, at `rate` commands per second, with that partition idle, which is the floor, and saturated.
///
/// A load that saturates a partition takes the processor too, from everybody. So there is a second floor, which has the
/// processor as busy and no partition more than another: the same connections, editing posts in all partitions.
///
/// Whoever makes the load takes its part of the processor as well, which clients on other machines would not. `yielding`, they
/// have the lowest priority: they take what the servers and the measured clients leave.
pub async fn run(options: load::Options, rate: f64, yielding: bool) -> Result<()> {
    let stack = Servers::Bench.stack().await;
    let env = Fresh::on(stack, "isolation", PARTITIONS).env;
    let program = Program::start(stack, "isolation-command-api", "command-api", &[], &env);
    program.is_ready().await;
    let token = load::author(stack)?;
    let [busy, quiet, all] = edits(&program, &token).await?;
    eprintln!("warming up");
    load::run(&quiet, options.connections, Pace::Closed, FIRST_WARM_UP, Duration::ZERO).await?;
    let (mut p50, mut p99, mut taken) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()], Vec::new());
    for number in 1..=options.rounds {
        eprintln!("round {number} of {}", options.rounds);
        let pace = Pace::PerSecond(rate);
        let alone = load::run(&quiet, QUIET_CONNECTIONS, pace, WARM_UP, options.duration).await?;
        let beside = async |load| {
            let measured = load::run(&quiet, QUIET_CONNECTIONS, pace, WARM_UP, options.duration);
            let (connections, closed) = (options.connections, Pace::Closed);
            if yielding {
                let load = load::run_yielding(load, connections, closed, WARM_UP, options.duration);
                tokio::try_join!(measured, load)
            } else {
                tokio::try_join!(measured, load::run(load, connections, closed, WARM_UP, options.duration))
            }
        };
        let (spread, spread_load) = beside(&all).await?;
        let (beside, busy_load) = beside(&busy).await?;
        for (rounds, quantile) in [(&mut p50, 0.5), (&mut p99, 0.99)] {
            for (rounds, floor) in rounds.iter_mut().zip([&alone, &spread]) {
                rounds.push(Round { groot: beside.millis(quantile), floor: Some(floor.millis(quantile)) });
            }
        }
        taken.push((busy_load.per_second(), spread_load.per_second()));
    }
    let row = |quantile, floor, rounds| {
        Row::of(format!("command latency {quantile} at {rate}/s, {floor}"), "ms", rounds, Aim::RatioAtMost(2.0))
    };
    let ([p50_alone, p50_spread], [p99_alone, p99_spread]) = (p50, p99);
    let rows = [
        row("p50", "alone", p50_alone),
        row("p99", "alone", p99_alone),
        row("p50", "load spread", p50_spread),
        row("p99", "load spread", p99_spread),
    ];
    let busy_per_second = report::median(taken.iter().map(|taken| taken.0));
    let spread_per_second = report::median(taken.iter().map(|taken| taken.1));
    report::print(
        &format!(
            "Edits of posts in all partitions but one, while {} connections edit posts in that one ({busy_per_second:.0}/s); \
             the floors are the same edits alone, and while as many connections edit posts in all ({spread_per_second:.0}/s)",
            options.connections
        ),
        &rows,
    );
    println!(
        "results in {}",
        report::write("isolation", &Results { rows: &rows, busy_per_second, spread_per_second })?.display()
    );
    Ok(())
}

/// Edits of posts in the busy partition, of posts in all others, and of all posts.
async fn edits(program: &Program, token: &str) -> Result<[Target; 3]> {
    let (mut busy, mut quiet) = (Vec::new(), Vec::new());
    for id in load::make_posts(program, token, POSTS_MADE).await? {
        let edited = if partition_for(id.as_bytes(), PARTITIONS) == BUSY { &mut busy } else { &mut quiet };
        edited.push(format!("{POSTS}/{id}"));
    }
    // As many as is prime to the posts, so that each edit changes something.
    let titles: Vec<Bytes> = (0..TITLES).map(|n| json!({ "title": format!("Title {n}") }).to_string().into()).collect();
    let titles = Arc::new(titles);
    let all = [busy.as_slice(), &quiet].concat();
    Ok([busy, quiet, all].map(|paths| Target {
        method: Method::PATCH,
        paths: Arc::new(paths),
        bodies: titles.clone(),
        status: 200,
        ..Target::posts(program, Some(token), 1).expect("the program's address was good before")
    }))
}
