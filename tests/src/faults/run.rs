//! A run: clients write while a schedule of faults is carried out, then what they were told is checked.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;
use xtask::token::Role;

use super::check::{scheduled, violations};
use super::history::Recorder;
use super::load::Load;
use super::log::Written;
use super::nemesis::Nemesis;
use super::readers;
use super::report::Report;
use super::schedule::{Fault, Schedule};
use crate::client::Client;
use crate::evidence::Fact;
use crate::program::Program;
use crate::system::{PARTITIONS, System};
use crate::waiting::PATIENCE;

/// One through each of the first ways; the first is the system's own.
const OWNERS: usize = 3;
const BROKERS: usize = 3;

/// Runs a schedule of this length on a system of the cluster whose command-api goes through the first way. `show` is called
/// with every fault, and each second with how many requests were answered and how many of them done.
pub async fn run(system: &System, seed: u64, lasts: Duration, clients: usize, show: impl Fn(Shown<'_>)) -> Report {
    let others = join_all((1..OWNERS).map(async |way| {
        let program = system.program(&format!("command-api-{}", way + 1), "command-api", &[], &system.through(way));
        program.is_ready().await;
        program
    }));
    let others = others.await;
    let owners: Vec<&Program> = std::iter::once(&system.commands).chain(&others).collect();
    let schedule = Schedule::seeded(seed, lasts, owners.len(), BROKERS);
    let recorder = Recorder::default();
    let load = Load {
        instances: owners.iter().map(|owner| owner.base.clone()).collect(),
        callers: (0..clients).map(|_| system.caller(Role::Editor)).collect(),
        recorder: &recorder,
        seed,
        known: Default::default(),
        http: Client::default(),
    };
    let nemesis = Nemesis { stack: system.stack, owners: &owners, recorder: &recorder };
    let (stop, over) = (CancellationToken::new(), CancellationToken::new());
    let mut troubles = Vec::new();
    let faults = async {
        let _over = over.clone().drop_guard();
        let _stop = stop.clone().drop_guard();
        served(&recorder, &mut troubles).await;
        let done = nemesis.run(&schedule, |fault| show(Shown::Fault(fault))).await;
        served(&recorder, &mut troubles).await;
        done
    };
    let showing = async {
        while !over.is_cancelled() {
            let (answered, done) = recorder.counts();
            show(Shown::Requests { answered, done });
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (faults, (), ()) = tokio::join!(faults, load.run(&stop), showing);

    for (number, owner) in (1..).zip(&owners) {
        if !owner.is_alive() {
            troubles.push(format!("owner {number} ended by itself"));
        }
    }
    let (facts, log) = when_all_is_published(system).await;
    let history = recorder.history();
    let differences = system.documents_other_than_the_fold_of(&facts).await;
    troubles.extend(differences.iter().map(|difference| format!("the documents are another fold: {difference}")));
    troubles.extend(readers::that_stop(&system.log).await);
    let violations = violations(&history, &log);
    Report { schedule, history, log, faults, partitions: PARTITIONS, violations, troubles }
}

/// What there is to show of a run.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    Fault(&'a Fault),
    Requests { answered: usize, done: usize },
}

/// The log once nothing waits in it to be published, or after a while: what is due after the last request belongs to the run.
async fn when_all_is_published(system: &System) -> (Vec<Fact>, Vec<Written>) {
    let limit = Instant::now() + PATIENCE;
    loop {
        let facts = system.facts().await;
        let log: Vec<Written> = facts.iter().map(Written::of).collect();
        if scheduled(&log).is_empty() || Instant::now() > limit {
            return (facts, log);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until every partition has acknowledged a write that was begun from now on.
async fn served(recorder: &Recorder, troubles: &mut Vec<String>) {
    let since = recorder.now();
    let limit = Instant::now() + PATIENCE;
    while !recorder.all_serve_since(PARTITIONS, since) {
        if Instant::now() > limit {
            troubles.push(format!("not every partition takes writes {PATIENCE:?} after the last fault"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Copies what the programs and servers said, since it goes with them.
pub fn keep_logs(system: &System, folder: &Path) -> std::io::Result<()> {
    let logs = system.stack.paths().root.join("logs");
    if folder.exists() {
        // Of an earlier run with this seed.
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    for file in std::fs::read_dir(logs)? {
        let file = file?;
        std::fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    Ok(())
}
