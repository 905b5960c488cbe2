//! `./dev faults`: a schedule of faults for as long as one likes, with a report at the end.

use std::process::ExitCode;
use std::time::Duration;

use groot_tests::faults::report::Report;
use groot_tests::faults::run::{self, Shown};
use groot_tests::servers::Servers;
use groot_tests::system::System;
use xtask::progress::Progress;
use xtask::stack::Stack;

const CLIENTS: usize = 8;
const USAGE: &str = "usage: faults <minutes> <seed>; `./dev faults --help` says more";

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [minutes, seed] = arguments.as_slice() else { anyhow::bail!(USAGE) };
    let lasts = Duration::from_secs_f64(minutes.parse::<f64>()? * 60.0);
    let seed = seed.parse()?;
    let progress = Progress::shown();
    let stack =
        tokio::task::block_in_place(|| Stack::start_showing("faults-run", &Servers::Cluster.options(), &progress))?;
    // Its watcher ends the servers when this program ends, however it does.
    let stack: &'static Stack = Box::leak(Box::new(stack));
    progress.say("faults", "building and starting the programs");
    let system = System::laid_out(stack, "faults").through(0).start().await;
    let mut last = String::from("none yet");
    let last = std::sync::Mutex::new(&mut last);
    let began = std::time::Instant::now();
    let show = |shown: Shown<'_>| {
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match shown {
            Shown::Fault(fault) => **last = fault.to_string().trim_start().to_owned(),
            Shown::Requests { answered, done } => {
                let elapsed = began.elapsed().as_secs();
                let line = format!("{elapsed} s, {answered} requests, {done} done; last fault at {last}");
                progress.tick("faults", &line, elapsed as usize);
            }
        }
    };
    let report = run::run(&system, seed, lasts, CLIENTS, show).await;
    let folder = Report::folder(seed);
    report.leave(&folder)?;
    run::keep_logs(&system, &folder.join("logs"))?;
    system.end().await;
    progress.done("faults", if report.is_good() { "good" } else { "NOT good" });
    xtask::run::print(&format!("{report}evidence in {}", folder.display()));
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
