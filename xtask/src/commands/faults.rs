use std::process::Command;

use crate::cache::Cache;
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::server::{self, Service};
use crate::{paths, run};

/// What a run is made on.
const SERVICES: [Service; 4] = [Service::Kafka, Service::Registry, Service::Mongodb, Service::Toxiproxy];

/// Builds the runner of fault schedules and hands it the terminal.
pub fn faults(minutes: f64, seed: Option<u64>) -> Result<()> {
    if !(0.1..=10_000.0).contains(&minutes) {
        return Err(Failure::new("--minutes must be between 0.1 and 10000"));
    }
    let cache = Cache::open()?;
    let progress = Progress::shown();
    for service in SERVICES {
        server::provision(service, &cache, &progress)?;
    }
    let seed = seed.unwrap_or_else(rand::random);
    let mut command = Command::new("cargo");
    command
        .args(["run", "--quiet", "--package", "groot-tests", "--bin", "faults", "--"])
        .args([minutes.to_string(), seed.to_string()])
        .current_dir(paths::repository());
    run::openly(&mut command, "the run of faults")
}
