//! Changes of owners as clients see them: for each partition the time in which no command was answered.
//!
//! Three instances, and for each partition a client that edits one post of it again and again, over each instance in turn. In a
//! round the third instance joins the two others, the second leaves by SIGTERM, and the third is killed. A client that
//! is cut off asks another instance under the same key, as clients should.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use event_log::kafka::KafkaConfig;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use xtask::token::{self, Person, Role};

use super::PARTITIONS;
use super::fill::{Filler, Posts};
use super::report::{self, Aim, Round, Row};
use crate::client::{Answer, Client};
use crate::program::Program;
use crate::servers::Servers;
use crate::system::{Fresh, POSTS};
use crate::waiting::until;

/// What a person may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub rounds: usize,
    /// How many posts the log holds at least: an instance that joins has to fold them.
    pub posts: u64,
}

/// Between two commands for the same partition.
const PACE: Duration = Duration::from_millis(20);
/// How long the load goes on before and after each change.
const AROUND: Duration = Duration::from_secs(2);
/// The session time-out of the group, in milliseconds: nobody can know of a dead owner before.
const SESSION: f64 = 6_000.0;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Results<'a> {
    rows: &'a [Row],
    changes: &'a [Change],
}

/// What a change of owners was like.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    kind: &'static str,
    /// For each partition that moved: the longest time between two answers less the usual one, in milliseconds.
    gaps: BTreeMap<u32, f64>,
    /// From a kill until each partition that moved had answered a command that was sent after it.
    all_serve_ms: Option<f64>,
    /// From SIGTERM to the end of the process.
    exit_ms: Option<f64>,
    /// Commands that were answered otherwise than with 2xx.
    failed: usize,
    answered: usize,
}

/// Measures, prints the table, and writes JSON.
pub async fn run(options: Options) -> Result<()> {
    let bench = Bench::prepare(options.posts).await?;
    let mut changes = Vec::new();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        changes.extend(bench.round().await?);
    }
    let rows = rows(&changes);
    report::print(
        &format!("Changes of owners, {PARTITIONS} partitions of 3 instances, {} rounds", options.rounds),
        &rows,
    );
    let results = Results { rows: &rows, changes: &changes };
    println!("results in {}", report::write("failover", &results)?.display());
    Ok(())
}

fn rows(changes: &[Change]) -> Vec<Row> {
    let of = |kind: &'static str| changes.iter().filter(move |change| change.kind == kind);
    let row = |kind, figure: &str, unit, values: Vec<f64>, aim| {
        let rounds = values.into_iter().map(|groot| Round { groot, floor: None }).collect();
        Row::of(format!("{kind}: {figure}"), unit, rounds, aim)
    };
    let mut rows = Vec::new();
    for kind in [JOIN, LEAVE] {
        let gaps: Vec<f64> = of(kind).flat_map(|change| change.gaps.values().copied()).collect();
        let worst = gaps.iter().copied().fold(0.0, f64::max);
        rows.push(row(kind, "no answer, a partition that moves", "ms", gaps, HAND_OVER));
        rows.push(row(kind, "no answer, the worst of all rounds", "ms", vec![worst], HAND_OVER));
    }
    let exits = of(LEAVE).filter_map(|change| change.exit_ms).collect();
    rows.push(row(LEAVE, "from SIGTERM to exit", "ms", exits, Aim::AtMost(25_000.0)));
    let killed = of(KILL).filter_map(|change| change.all_serve_ms);
    let killed = killed.map(|groot| Round { groot, floor: Some(SESSION) }).collect();
    rows.push(Row::of(format!("{KILL}: until all its partitions serve"), "ms", killed, Aim::AtMost(SESSION + 1_000.0)));
    for kind in [JOIN, LEAVE, KILL] {
        let failed = of(kind).map(|change| change.failed).sum::<usize>();
        rows.push(row(kind, "commands that failed", "in all", vec![failed as f64], Aim::AtMost(0.0)));
    }
    rows
}

const HAND_OVER: Aim = Aim::AtMost(300.0);

const JOIN: &str = "join";
const LEAVE: &str = "leave";
const KILL: &str = "kill -9";

struct Bench {
    instances: [Arc<Program>; 3],
    token: String,
    /// One in each partition.
    posts: Vec<String>,
    http: Client,
}

impl Bench {
    async fn prepare(posts: u64) -> Result<Self> {
        let stack = Servers::Bench.stack().await;
        let Fresh { kafka, env, .. } = Fresh::on(stack, "failover", PARTITIONS);
        let kafka = KafkaConfig { lanes: 3, ..kafka };
        let mut filler = Filler::connect(stack, &kafka, Posts::Drafts).await?;
        eprintln!("filling the log");
        filler.fill_to(posts.max(PARTITIONS.into())).await?;
        let instance = |name: &str| Arc::new(Program::start(stack, name, "command-api", &[], &env));
        let instances = ["failover-1", "failover-2", "failover-3"].map(instance);
        for instance in &instances {
            instance.is_ready().await;
        }
        let token = token::issue(stack.paths(), &Person { role: Role::Admin, user: None, name: None })?;
        let posts = filler.one_of_each().map(|id| id.to_string()).collect();
        let bench = Self { instances, token, posts, http: Client::default() };
        bench.instances[2].terminate();
        bench.instances[2].ended().await;
        bench.all_served_by(&[0, 1]).await;
        eprintln!("warming up");
        let load = bench.load(&[0, 1]);
        sleep(4 * AROUND).await;
        load.end().await;
        Ok(bench)
    }

    /// Begins and ends with the first and the second instance running.
    async fn round(&self) -> Result<[Change; 3]> {
        let [_, second, third] = &self.instances;
        let joined = self
            .change(JOIN, &[0, 1], async |load| {
                third.restart();
                third.is_ready().await;
                load.over(&[0, 1, 2]);
                self.all_served_by(&[0, 1, 2]).await;
                None
            })
            .await?;
        let left = self
            .change(LEAVE, &[0, 1, 2], async |load| {
                let began = Instant::now();
                second.terminate();
                let (code, said) = second.ended().await;
                let exit = began.elapsed();
                load.over(&[0, 2]);
                assert_eq!(code, Some(0), "SIGTERM must end with 0:\n{said}");
                self.all_served_by(&[0, 2]).await;
                Some(exit)
            })
            .await?;
        let killed = self
            .change(KILL, &[0, 2], async |load| {
                third.kill();
                load.over(&[0]);
                self.all_served_by(&[0]).await;
                None
            })
            .await?;
        second.restart();
        second.is_ready().await;
        self.all_served_by(&[0, 1]).await;
        Ok([joined, left, killed])
    }

    async fn change(
        &self,
        kind: &'static str,
        over: &[usize],
        change: impl AsyncFnOnce(&Load) -> Option<Duration>,
    ) -> Result<Change> {
        let before = self.owners().await;
        let load = self.load(over);
        sleep(AROUND).await;
        let began = Instant::now();
        let exit = change(&load).await;
        sleep(AROUND).await;
        let observed = load.end().await;
        let after = self.owners().await;
        let moved: BTreeSet<u32> = (0..PARTITIONS).filter(|number| before.get(number) != after.get(number)).collect();
        ensure!(!moved.is_empty(), "no partition changed its owner");
        let of = |number: &u32| &observed[*number as usize];
        let all_serve = moved.iter().map(|number| of(number).first_after(began)).max().unwrap_or_default();
        Ok(Change {
            kind,
            gaps: moved.iter().map(|number| (*number, of(number).gap())).collect(),
            all_serve_ms: (kind == KILL).then(|| millis(all_serve)),
            exit_ms: exit.map(millis),
            failed: observed.iter().map(|observed| observed.failed).sum(),
            answered: observed.iter().map(|observed| observed.commands.len()).sum(),
        })
    }

    fn load(&self, over: &[usize]) -> Load {
        let stop = CancellationToken::new();
        let targets: Arc<Mutex<Vec<Arc<Program>>>> = Arc::default();
        let client = |(number, post): (usize, &String)| {
            let client = Editor {
                path: format!("{POSTS}/{post}"),
                token: self.token.clone(),
                http: self.http.clone(),
                targets: targets.clone(),
                rng: StdRng::seed_from_u64(number as u64),
            };
            tokio::spawn(client.run(stop.clone()))
        };
        let mut load =
            Load { stop: stop.clone(), clients: Vec::new(), targets: targets.clone(), all: self.instances.clone() };
        load.over(over);
        load.clients = self.posts.iter().enumerate().map(client).collect();
        load
    }

    async fn all_served_by(&self, instances: &[usize]) {
        until("each partition to be served", async || {
            let mut shares = Vec::new();
            for instance in instances {
                shares.push(self.instances[*instance].serves().await);
            }
            let served: BTreeSet<u32> = shares.iter().flatten().copied().collect();
            // Shares differ by one at most once the group has come to rest.
            let sizes = || shares.iter().map(Vec::len);
            let even = sizes().max().unwrap_or_default() - sizes().min().unwrap_or_default() <= 1;
            (even && sizes().sum::<usize>() == PARTITIONS as usize && served.len() == PARTITIONS as usize).then_some(())
        })
        .await;
    }

    async fn owners(&self) -> BTreeMap<u32, usize> {
        let mut owners = BTreeMap::new();
        for (number, instance) in self.instances.iter().enumerate() {
            if instance.is_alive() {
                owners.extend(instance.serves().await.into_iter().map(|partition| (partition, number)));
            }
        }
        owners
    }
}

/// Clients that go on until they are told to end.
struct Load {
    stop: CancellationToken,
    clients: Vec<tokio::task::JoinHandle<Observed>>,
    targets: Arc<Mutex<Vec<Arc<Program>>>>,
    all: [Arc<Program>; 3],
}

impl Load {
    /// From now on over these instances.
    fn over(&self, instances: &[usize]) {
        let chosen = instances.iter().map(|number| self.all[*number].clone()).collect();
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = chosen;
    }

    async fn end(self) -> Vec<Observed> {
        self.stop.cancel();
        let ended = futures::future::join_all(self.clients).await;
        ended.into_iter().map(|observed| observed.expect("a client does not panic")).collect()
    }
}

/// What a client of one partition saw.
#[derive(Debug, Default)]
struct Observed {
    /// When each command was sent first, and when it was answered.
    commands: Vec<(Instant, Instant)>,
    failed: usize,
}

impl Observed {
    /// The longest time between two answers less the usual one, in milliseconds.
    fn gap(&self) -> f64 {
        let between = || self.commands.windows(2).map(|pair| millis(pair[1].1 - pair[0].1));
        let longest = between().reduce(f64::max).unwrap_or_default();
        longest - report::median(between())
    }

    /// How long after `began` the first command that was sent since then was answered.
    fn first_after(&self, began: Instant) -> Duration {
        let first = self.commands.iter().find(|(sent, _)| *sent >= began);
        first.map(|(_, answered)| *answered - began).unwrap_or_default()
    }
}

/// The client of one partition.
struct Editor {
    path: String,
    token: String,
    http: Client,
    targets: Arc<Mutex<Vec<Arc<Program>>>>,
    rng: StdRng,
}

impl Editor {
    async fn run(mut self, stop: CancellationToken) -> Observed {
        let mut observed = Observed::default();
        let mut turn = self.rng.random_range(0..3);
        while !stop.is_cancelled() {
            let title = format!("Edited {:x}", self.rng.random::<u64>());
            let sent = Instant::now();
            // Until it is done, over one instance after the other.
            loop {
                turn += 1;
                let base = self.target(turn);
                let request = self.http.request("PATCH", &format!("{base}{}", self.path));
                let request = request.bearer_auth(&self.token).header("idempotency-key", &title);
                match Answer::of(request.json(&json!({ "title": title }))).await {
                    Ok(answer) if answer.status == 200 => break,
                    Ok(answer) => {
                        eprintln!("a command failed: {} {}", answer.status, answer.body);
                        observed.failed += 1;
                    }
                    // It ends or was killed. Another instance is asked under the same key.
                    Err(_) => sleep(Duration::from_millis(1)).await,
                }
            }
            observed.commands.push((sent, Instant::now()));
            sleep(PACE).await;
        }
        observed
    }

    fn target(&self, turn: usize) -> String {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets[turn % targets.len()].base.clone()
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
