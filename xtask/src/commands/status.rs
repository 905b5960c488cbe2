use crate::commands::DEVELOPER;
use crate::failure::Result;
use crate::paths::StackPaths;
use crate::probe::Probe;
use crate::process::Process;
use crate::run;
use crate::server::{Ports, Service};
use crate::{compose, groot};

/// One line a part: what it is, whether it runs, whether it answers, and where.
pub fn status() -> Result<()> {
    let paths = StackPaths::of(DEVELOPER)?;
    let ports = Ports::documented(1);
    let contained = compose::is_in_use(&paths);
    let servers = Service::ALL.iter().map(|service| (service.name(), ports.probe(*service), contained));
    let ours = groot::PARTS.iter().map(|part| (part.name, part.probe(), false));
    run::print(&format!("{:<14} {:<12} {:<8} address", "part", "process", "answers"));
    let mut all = true;
    for (name, probe, contained) in servers.chain(ours) {
        let process = match Process::find(&paths, name) {
            Some(process) => process.identity.pid.to_string(),
            None if contained => "container".to_owned(),
            None => "-".to_owned(),
        };
        // Another program may answer on the same port: only ours counts.
        let answers = process != "-" && probe.is_ready();
        all &= answers;
        run::print(&format!("{name:<14} {process:<12} {:<8} {}", if answers { "yes" } else { "no" }, address(&probe)));
    }
    if !all {
        run::print("\n`./dev up` starts what does not run; `./dev logs <part>` says why something ended.");
    }
    Ok(())
}

fn address(probe: &Probe) -> String {
    format!("127.0.0.1:{}", probe.port())
}
