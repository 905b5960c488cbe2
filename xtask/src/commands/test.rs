use std::num::NonZero;
use std::process::Command;

use crate::cache::Cache;
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::server::{self, Service};
use crate::{packages, paths, run};

/// How many tests run at a time; read by the test harness.
const THREADS: &str = "RUST_TEST_THREADS";

/// Runs `cargo test`, with every download made before so that no test waits for one.
pub fn test(arguments: &[String]) -> Result<()> {
    let cache = Cache::open()?;
    let progress = Progress::shown();
    prepare(&cache, &progress)?;
    let everything = ["--workspace".to_owned()];
    let chosen = if arguments.is_empty() { everything.as_slice() } else { arguments };
    let mut command = Command::new("cargo");
    // The stack of a test that waits is its runtime's, and would bury what the test said.
    command.arg("test").args(chosen).current_dir(paths::repository()).env_remove("RUST_BACKTRACE");
    if std::env::var_os(THREADS).is_none() {
        // Tests against real servers wait for half of their time.
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        command.env(THREADS, (cores + 1).to_string());
    }
    run::openly(&mut command, "the test suite")
}

fn services() -> impl Iterator<Item = Service> {
    Service::ALL.into_iter().chain([Service::Toxiproxy])
}

/// Downloads what the servers need.
pub(super) fn prepare(cache: &Cache, progress: &Progress) -> Result<()> {
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let mut threads: Vec<_> =
            services().map(|service| scope.spawn(move || server::provision(service, cache, progress))).collect();
        threads.push(scope.spawn(|| packages::corpus_folder(cache, progress).map(drop)));
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Failure::new("a download panicked"))))
            .collect()
    });
    results.into_iter().collect()
}
