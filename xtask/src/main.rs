//! `./dev`: see `cli.rs` for the commands.

use std::process::ExitCode;

use clap::Parser;
use xtask::cli::{Cli, Command};
use xtask::token::{self, Person};
use xtask::{commands, paths};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Up { servers_only, native } => commands::up(servers_only, native),
        Command::Down { wipe } => commands::down(wipe),
        Command::Status => commands::status(),
        Command::Logs { part, follow } => commands::logs(part.as_deref(), follow),
        Command::Replay { tool } => commands::replay(&tool),
        Command::Test { cargo } => commands::test(&cargo),
        Command::Bench { bench } => commands::bench(&bench),
        Command::Faults { minutes, seed } => commands::faults(minutes, seed),
        Command::Mutations { names } => commands::mutations(&names),
        Command::Lint => commands::lint(),
        Command::Doctor => commands::doctor(),
        Command::Digests => commands::digests(),
        Command::Token { role, user, name } => paths::StackPaths::of(commands::DEVELOPER)
            .and_then(|paths| token::issue(&paths, &Person { role, user, name }))
            .map(|token| println!("{token}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
