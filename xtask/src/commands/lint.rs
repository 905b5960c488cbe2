use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::cache::Cache;
use crate::commands::{dashboard, mutations};
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::{compose, map, packages, paths, run};

/// Runs every check, also after one has failed, and says at the end which failed.
pub fn lint() -> Result<()> {
    let cache = Cache::open()?;
    let mut report = Report::default();
    report.run("format", || cargo(&["fmt", "--all", "--check"]));
    report.run("clippy", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--quiet", "--", "--deny", "warnings"])
    });
    report.run("dependencies (cargo-deny: bans, licences, sources)", || cargo_deny(&cache));
    report.run("spelling (typos)", || typos(&cache));
    report.run("shell scripts (shellcheck)", shellcheck);
    report.run(compose_check_name(), || compose_file(&cache));
    report.run("the built dashboard", || dashboard::check(&cache));
    report.run("the mutations (each still applies)", mutations::check);
    report.run("the map (ARCHITECTURE.md)", || map::check(&cache.repository));
    report.end()
}

#[derive(Default)]
struct Report {
    failed: Vec<&'static str>,
}

impl Report {
    fn run(&mut self, name: &'static str, check: impl FnOnce() -> Result<()>) {
        eprintln!("lint: {name}");
        let since = Instant::now();
        match check() {
            Ok(()) => eprintln!("lint: {name}: good ({:.1} s)", since.elapsed().as_secs_f64()),
            Err(failure) => {
                eprintln!("{failure}\nlint: {name}: FAILED");
                self.failed.push(name);
            }
        }
    }

    fn end(self) -> Result<()> {
        if self.failed.is_empty() {
            run::print("lint: all good");
            return Ok(());
        }
        Err(Failure::new(format!("lint found something in: {}", self.failed.join("; "))))
    }
}

fn cargo(args: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    run::openly(command.args(args).current_dir(paths::repository()), &format!("cargo {}", args[0]))
}

/// The advisory check is left out: it needs a database from elsewhere at each run.
fn cargo_deny(cache: &Cache) -> Result<()> {
    let version = cache.versions.get("CARGO_DENY_VERSION")?;
    let root = cache.folder.join("tools").join(format!("cargo-deny-{version}"));
    let program = root.join("bin/cargo-deny");
    if !program.exists() {
        eprintln!("lint: building cargo-deny {version}, once (some minutes)");
        let mut install = Command::new("cargo");
        install
            .args(["install", "cargo-deny", "--quiet", "--locked", "--no-default-features", "--version", version])
            .arg("--root")
            .arg(&root)
            .env_remove("CARGO_TARGET_DIR")
            // Outside the repository, whose own settings are not for tools.
            .current_dir(&cache.folder);
        run::openly(&mut install, "building cargo-deny")?;
    }
    let mut deny = Command::new(program);
    deny.args(["--log-level", "error", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    run::openly(deny.current_dir(&cache.repository), "cargo deny")
}

fn typos(cache: &Cache) -> Result<()> {
    let place = cache.provide(&packages::TYPOS, &Progress::silent())?;
    let inside = format!("typos-{}.data/scripts/typos", cache.versions.get("TYPOS_VERSION")?);
    let program = packages::runnable(&place.join(inside))?;
    run::openly(Command::new(program).current_dir(&cache.repository), "typos")
}

fn shellcheck() -> Result<()> {
    if !run::is_installed("shellcheck") {
        return Err(Failure::new("shellcheck is missing, install it with: apt-get install shellcheck"));
    }
    let mut command = Command::new("shellcheck");
    run::openly(command.args(["--external-sources", "dev", ".ci/run"]).current_dir(paths::repository()), "shellcheck")
}

fn compose_check_name() -> &'static str {
    if compose::engine_answers() {
        "compose (docker compose config)"
    } else {
        "compose (schema of the compose specification; no container engine answers)"
    }
}

fn compose_file(cache: &Cache) -> Result<()> {
    if compose::engine_answers() {
        return run::openly(compose::compose(cache).args(["config", "--quiet"]), "docker compose config");
    }
    let place = cache.provide(&packages::COMPOSE_SCHEMA, &Progress::silent())?;
    let schema: PathBuf = place.join("check_jsonschema/builtin_schemas/vendor/compose-spec.json");
    let mut command = Command::new("/usr/bin/python3");
    command.args(["infra/compose/check.py", compose::FILE]).arg(schema).current_dir(&cache.repository);
    run::openly(&mut command, "checking the compose file")
}
