use std::process::Command;

use crate::cache::Cache;
use crate::failure::Result;
use crate::progress::Progress;
use crate::{groot, paths, run};

/// Builds everything that is measured in release mode and runs the benches, which bring servers of their own.
pub fn bench(arguments: &[String]) -> Result<()> {
    super::test::prepare(&Cache::open()?, &Progress::shown())?;
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--package", "groot-tests", "--bin", "bench"]);
    for part in &groot::PARTS {
        build.args(["--package", part.program, "--bin", part.program]);
    }
    build.args(["--package", "replay-tool", "--bin", "replay-tool"]);
    run::openly(build.current_dir(paths::repository()), "the release build")?;
    if arguments.iter().any(|argument| argument == "--peers") {
        let mut build = Command::new("cargo");
        // They are no part of the workspace, but may share its folder.
        build.args(["build", "--release", "--manifest-path", "tests/peers/Cargo.toml", "--target-dir"]);
        build.arg(paths::cargo_target());
        run::openly(build.current_dir(paths::repository()), "the build of the peers")?;
    }
    let programs = paths::cargo_target().join("release");
    let mut bench = Command::new(programs.join("bench"));
    // Programs that are measured come from where this one comes from.
    bench.args(arguments).env("GROOT_TEST_PROGRAMS", &programs).current_dir(paths::repository());
    run::openly(&mut bench, "the bench")
}
