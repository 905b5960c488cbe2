//! The dashboard in a real browser, by the checks in `tests/browser/`.

use std::path::Path;
use std::process::Output;

use groot_tests::system::System;
use tokio::process::Command;
use xtask::paths;
use xtask::token::Role;

/// Opens it wide and narrow, light and dark, on a system that serves the sample corpus. Pictures are left beside the servers' data.
pub async fn assert_it_works(system: &System) {
    let folder = paths::repository().join("tests/browser");
    let fetched = run(&folder, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).await;
    assert!(fetched.status.success(), "{}", said(&fetched));
    let pictures = system.stack.paths().data("pictures").display().to_string();
    let token = system.caller(Role::Admin).token;
    let (queries, commands) = (&system.queries.base, &system.commands.base);
    let arguments =
        ["dashboard.mjs", queries, "--expect-live", "--token", &token, "--command-api", commands, "--out", &pictures];
    let checked = run(&folder, "node", &arguments).await;
    assert!(checked.status.success(), "{}", said(&checked));
}

async fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).kill_on_drop(true);
    command
        .output()
        .await
        .unwrap_or_else(|error| panic!("{program} cannot be run, `./dev doctor` says what is missing: {error}"))
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}
