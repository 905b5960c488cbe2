use std::process::Command;

use crate::cache::Cache;
use crate::commands::DEVELOPER;
use crate::failure::{Failure, Result};
use crate::paths::StackPaths;
use crate::server::{Ports, Service};
use crate::{compose, digests, disk, groot, packages, ports, run};

/// A tool and the Debian package it comes from.
const TOOLS: [(&str, &str); 14] = [
    ("cc", "build-essential"),
    ("make", "build-essential"),
    ("mold", "mold"),
    ("pkg-config", "pkg-config"),
    ("java", "openjdk-17-jdk-headless"),
    ("javac", "openjdk-17-jdk-headless"),
    ("mvn", "maven"),
    ("npm", "npm"),
    ("redis-server", "redis-server"),
    ("go", "golang-go"),
    ("curl", "curl"),
    ("jq", "jq"),
    ("shellcheck", "shellcheck"),
    ("setsid", "util-linux"),
];

/// Prints one line a finding, each with its cure, and fails when one of them stops Groot from running here.
pub fn doctor() -> Result<()> {
    let cache = Cache::open()?;
    let mut findings = Vec::new();
    let missing: Vec<_> = TOOLS.iter().filter(|(tool, _)| !run::is_installed(tool)).collect();
    match missing.as_slice() {
        [] => run::print("good: every tool is there"),
        missing => findings
            .extend(missing.iter().map(|(tool, package)| format!("{tool} is missing: apt-get install {package}"))),
    }
    match java_version() {
        Some(17..) | None => {}
        Some(old) => findings.push(format!(
            "java is version {old}, the servers need 17: apt-get install openjdk-17-jdk-headless, then choose it with \
             update-alternatives --config java"
        )),
    }
    for (place, bytes, what) in
        [(&cache.folder, 6 << 30, "downloading and building"), (&cache.repository, 8 << 30, "building and running")]
    {
        match disk::require(place, bytes, what) {
            Ok(()) => {
                run::print(&format!("good: {:.0} GiB free in {}", disk::gibibytes(disk::free(place)?), place.display()))
            }
            Err(failure) => findings.push(failure.to_string()),
        }
    }
    findings.extend(taken_ports()?);
    findings.extend(damaged(&cache)?);
    let engine = if compose::engine_answers() { "containers" } else { "plain processes (no container engine answers)" };
    run::print(&format!("good: `./dev up` would run the servers as {engine}"));
    if findings.is_empty() {
        run::print("Nothing is wrong here.");
        return Ok(());
    }
    Err(Failure::new(findings.join("\nerror: ")))
}

fn java_version() -> Option<u32> {
    let said = Command::new("java").arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    let (_, version) = text.split_once("version \"")?;
    version.split(['.', '"']).next()?.parse().ok()
}

/// Ports that the developer's stack needs and somebody else has.
fn taken_ports() -> Result<Vec<String>> {
    let paths = StackPaths::of(DEVELOPER)?;
    let documented = Ports::documented(1);
    let servers = Service::ALL.iter().map(|service| (service.name(), documented.probe(*service).port()));
    let ours = groot::PARTS.iter().map(|part| (part.name, part.probe().port()));
    let taken: Vec<String> = servers
        .chain(ours)
        .filter(|(name, _)| crate::process::Process::find(&paths, name).is_none() && !compose::is_in_use(&paths))
        .filter(|(_, port)| !ports::is_free(*port))
        .map(|(name, port)| ports::taken(port, name).to_string())
        .collect();
    if taken.is_empty() {
        run::print("good: every port is free or ours");
    }
    Ok(taken)
}

/// Packages whose files are used as they came can be compared again at any time; others were when they came.
fn damaged(cache: &Cache) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for package in packages::ALL {
        let label = package.label(cache)?;
        let pinned = digests::pinned(&cache.repository, &label)?;
        if pinned.is_empty() {
            wrong.push(format!("infra/local/digests.txt pins nothing for {label}: run `cargo xtask digests`"));
        } else if !cache.is_there(&package) {
            run::print(&format!("good: {label} is not downloaded yet, which `./dev up` does"));
        } else if !package.stays_as_it_came() {
            run::print(&format!("good: {label} was checked when it was downloaded"));
        } else {
            match digests::verify_known(&cache.place(&label), &label, &pinned) {
                Ok(()) => run::print(&format!("good: {label} is as pinned")),
                Err(failure) => wrong.push(format!("{failure}; remove {}", cache.place(&label).display())),
            }
        }
    }
    Ok(wrong)
}
