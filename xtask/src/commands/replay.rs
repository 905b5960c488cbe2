use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::commands::DEVELOPER;
use crate::failure::{Because, Failure, Result};
use crate::paths::{self, StackPaths};
use crate::run;

/// Builds replay-tool and becomes it, with the addresses of the local stack.
pub fn replay(arguments: &[String]) -> Result<()> {
    let stack = StackPaths::of(DEVELOPER)?;
    let addresses = fs::read_to_string(stack.env())
        .map_err(|_| Failure::new("there is no local stack to ask about, start it with `./dev up`"))?;
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--package", "replay-tool"]).current_dir(paths::repository());
    run::openly(&mut build, "the build of replay-tool")?;
    let mut tool = Command::new(paths::cargo_target().join("debug/replay-tool"));
    tool.args(arguments).envs(addresses.lines().filter_map(|line| line.split_once('=')));
    tool.env("GROOT_ARCHIVE", stack.data("archive"));
    Err(tool.exec()).because(|| "cannot run replay-tool".to_owned())
}
