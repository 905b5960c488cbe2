//! Commands through HTTP: as many as go, and how long one takes at a light load; beside the bare handler.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use xtask::stack::Stack;

use super::PARTITIONS;
use super::load::{self, Outcome, Pace, Target};
use super::peers::{self, Peer};
use super::report::{self, Aim, Round, Row};
use super::{body, picture};
use crate::client::Client;
use crate::program::Program;
use crate::servers::Servers;
use crate::system::Fresh;

/// What a person may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub load: load::Options,
    /// Measure latency at ten loads up to saturation as well, and draw it.
    pub curve: bool,
    /// Measure other people's systems at saturation as well.
    pub peers: bool,
}

const WARM_UP: Duration = Duration::from_secs(2);
/// A broker's and a JIT's first seconds are slow.
const FIRST_WARM_UP: Duration = Duration::from_secs(8);
const SEED: u64 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Results<'a> {
    connections: usize,
    content_bytes: usize,
    rows: &'a [Row],
    curve: &'a [Point],
    cost: Cost,
}

/// What a command costs at saturation, beside what the broker spends on it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    /// Processor time of command-api, and of the bare handler.
    cpu_millis: f64,
    floor_cpu_millis: f64,
    /// Pieces of memory that command-api asks for, librdkafka's among them.
    allocations: f64,
    /// What command-api holds in the end.
    resident_mib: f64,
}

/// Latency at one load.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    pub commands_per_second: f64,
    pub groot_p50_ms: f64,
    pub groot_p99_ms: f64,
    pub floor_p50_ms: f64,
    pub floor_p99_ms: f64,
}

/// A server under load.
#[derive(Debug)]
pub struct Side {
    program: Program,
    target: Target,
}

/// The two, measured in turn.
struct Both {
    groot: Side,
    floor: Side,
    options: Options,
}

/// Measures, prints the table, and writes JSON and picture.
pub async fn run(options: Options) -> Result<()> {
    let stack = Servers::Bench.stack().await;
    let both = Both { groot: groot(stack).await?, floor: floor(stack)?, options };
    both.groot.program.is_ready().await;
    both.floor.listens().await;
    eprintln!("warming up");
    for side in [&both.groot, &both.floor] {
        load::run(&side.target, options.load.connections, Pace::Closed, FIRST_WARM_UP, Duration::from_secs(1)).await?;
    }
    let (saturation, cost) = both.saturation().await?;
    let light = report::median(saturation.iter().map(|round| round.groot)) / 10.0;
    let (p50, p99) = both.at(light, options.load.rounds).await?;
    let curve = if options.curve { both.curve(light * 10.0).await? } else { Vec::new() };
    let mut rows = vec![
        Row::of("commands at saturation", "1/s", saturation, Aim::RatioAtLeast(0.8)),
        Row::of(format!("command latency p50 at {light:.0}/s"), "ms", p50, Aim::RatioAtMost(1.5)),
        Row::of(format!("command latency p99 at {light:.0}/s"), "ms", p99, Aim::RatioAtMost(2.0)),
    ];
    if options.peers {
        for peer in peers::start(stack).await? {
            rows.push(both.beside(&peer).await?);
        }
    }
    let title = format!(
        "Commands through HTTP, {} connections, posts of {} bytes; the floor is a bare handler with one produce",
        options.load.connections,
        body::CONTENT_BYTES,
    );
    report::print(&title, &rows);
    println!(
        "\na command at saturation takes {:.3} ms of command-api's processor time (bare handler: {:.3} ms) and {:.0} allocations; \
         command-api holds {:.0} MiB",
        cost.cpu_millis, cost.floor_cpu_millis, cost.allocations, cost.resident_mib
    );
    let results = Results {
        connections: options.load.connections,
        content_bytes: body::CONTENT_BYTES,
        rows: &rows,
        curve: &curve,
        cost,
    };
    println!("results in {}", report::write("write", &results)?.display());
    if !curve.is_empty() {
        println!("picture in {}", picture::latency_against_load(&curve)?.display());
    }
    Ok(())
}

async fn groot(stack: &'static Stack) -> Result<Side> {
    let env = Fresh::on(stack, "bench", PARTITIONS).env;
    let program = Program::start(stack, "bench-command-api", "command-api", &[], &env);
    Side::new(program, Some(&load::author(stack)?))
}

fn floor(stack: &'static Stack) -> Result<Side> {
    let program = Program::start(stack, "bench-floor", "bench", &["floor"], &stack.addresses().env());
    Side::new(program, None)
}

impl Side {
    pub fn new(program: Program, author: Option<&str>) -> Result<Self> {
        let target = Target::posts(&program, author, SEED)?;
        Ok(Self { program, target })
    }

    /// How often it has asked for memory so far.
    async fn allocations(&self) -> Result<f64> {
        let page =
            Client::default().request("GET", &format!("{}/metrics", self.program.admin)).send().await?.text().await?;
        let line = page.lines().find_map(|line| line.strip_prefix("groot_memory_allocations_total "));
        Ok(line.context("no count of allocations")?.parse()?)
    }

    /// Waits until it takes connections.
    pub async fn listens(&self) {
        crate::waiting::until("a server to be measured", async || {
            tokio::net::TcpStream::connect(self.target.address).await.ok()
        })
        .await;
    }
}

/// What one measurement of a side at saturation gave.
struct Saturated {
    per_second: f64,
    /// Processor time of the program for a command.
    cpu_millis: f64,
    /// With those of the warm-up.
    answers_in_all: u64,
}

impl Both {
    /// Commands per second, and what each takes.
    async fn saturation(&self) -> Result<(Vec<Round>, Cost)> {
        let mut rounds = Vec::new();
        let (mut cpu, mut floor_cpu, mut allocations) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=self.options.load.rounds {
            eprintln!("saturation, round {number} of {}", self.options.load.rounds);
            let floor = self.saturate(&self.floor).await?;
            let before = self.groot.allocations().await?;
            let groot = self.saturate(&self.groot).await?;
            allocations.push((self.groot.allocations().await? - before) / groot.answers_in_all as f64);
            rounds.push(Round { groot: groot.per_second, floor: Some(floor.per_second) });
            cpu.push(groot.cpu_millis);
            floor_cpu.push(floor.cpu_millis);
        }
        let cost = Cost {
            cpu_millis: report::median(cpu.into_iter()),
            floor_cpu_millis: report::median(floor_cpu.into_iter()),
            allocations: report::median(allocations.into_iter()),
            resident_mib: self.groot.program.resident()?.mib,
        };
        Ok((rounds, cost))
    }

    /// Groot's commands per second beside a peer's.
    async fn beside(&self, peer: &Peer) -> Result<Row> {
        load::run(&peer.side.target, self.options.load.connections, Pace::Closed, FIRST_WARM_UP, Duration::ZERO)
            .await?;
        let mut rounds = Vec::new();
        for number in 1..=self.options.load.rounds {
            eprintln!("{}, round {number} of {}", peer.name, self.options.load.rounds);
            let floor = self.saturate(&peer.side).await?.per_second;
            let groot = self.saturate(&self.groot).await?.per_second;
            rounds.push(Round { groot, floor: Some(floor) });
        }
        let figure = format!("commands at saturation; floor: {}", peer.name);
        Ok(Row::of(figure, "1/s", rounds, Aim::RatioAtLeast(7.0)))
    }

    async fn saturate(&self, side: &Side) -> Result<Saturated> {
        let warm_up =
            load::run(&side.target, self.options.load.connections, Pace::Closed, Duration::ZERO, WARM_UP).await?;
        let before = side.program.cpu_seconds();
        let outcome = load::run(
            &side.target,
            self.options.load.connections,
            Pace::Closed,
            Duration::ZERO,
            self.options.load.duration,
        )
        .await?;
        let cpu = side.program.cpu_seconds() - before;
        Ok(Saturated {
            per_second: outcome.per_second(),
            cpu_millis: cpu * 1000.0 / outcome.answers as f64,
            answers_in_all: warm_up.answers + outcome.answers,
        })
    }

    /// Medians and 99th percentiles of latency in milliseconds, at so many commands a second.
    async fn at(&self, rate: f64, rounds: usize) -> Result<(Vec<Round>, Vec<Round>)> {
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for number in 1..=rounds {
            eprintln!("latency at {rate:.0}/s, round {number} of {rounds}");
            let floor = self.pace(&self.floor, rate).await?;
            let groot = self.pace(&self.groot, rate).await?;
            p50.push(Round { groot: groot.millis(0.5), floor: Some(floor.millis(0.5)) });
            p99.push(Round { groot: groot.millis(0.99), floor: Some(floor.millis(0.99)) });
        }
        Ok((p50, p99))
    }

    async fn pace(&self, side: &Side, rate: f64) -> Result<Outcome> {
        load::run(
            &side.target,
            self.options.load.connections,
            Pace::PerSecond(rate),
            WARM_UP,
            self.options.load.duration,
        )
        .await
    }

    async fn curve(&self, saturation: f64) -> Result<Vec<Point>> {
        let mut points = Vec::new();
        for tenth in 1..=10 {
            let rate = saturation * f64::from(tenth) / 10.0;
            let (p50, p99) = self.at(rate, 1).await?;
            points.push(Point {
                commands_per_second: rate,
                groot_p50_ms: p50[0].groot,
                groot_p99_ms: p99[0].groot,
                floor_p50_ms: p50[0].floor.unwrap_or(0.0),
                floor_p99_ms: p99[0].floor.unwrap_or(0.0),
            });
        }
        Ok(points)
    }
}
