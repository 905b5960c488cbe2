//! The operators' command line: looks into the log, and after what projections could not project.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod archive;
mod changes;
mod config;
mod dead_letters;
mod events;
mod history;
mod log;
mod rebuild;
mod repair;
mod restore;
mod sample;
mod schema;
mod state;
mod status;
mod stores;
mod table;
mod verify;
mod versions;

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use service::startup;

use crate::config::{Cli, InspectArgs, SchemaCommand, ToolCommand};
use crate::log::{Log, init_logging};

/// There is nothing to show.
const EXIT_NOTHING: u8 = 4;
/// A check found something.
const EXIT_FOUND: u8 = 5;

#[tokio::main]
async fn main() -> ExitCode {
    let cli: Cli = service::config::read();
    let result = match cli.command {
        ToolCommand::Inspect(args) => inspect(args).await,
        ToolCommand::State(args) => state::run(args).await,
        ToolCommand::Events(args) => events::run(args).await,
        ToolCommand::Status(args) => status::run(args).await,
        ToolCommand::Verify(args) => verify::run(args).await,
        ToolCommand::Rebuild(args) => rebuild::run(args).await,
        ToolCommand::Promote(args) => versions::promote(args).await,
        ToolCommand::Rollback(args) => versions::roll_back(args).await,
        ToolCommand::Retire(args) => versions::retire(args).await,
        ToolCommand::Repair(args) => repair::run(args).await,
        ToolCommand::Schema(SchemaCommand::Check(args)) => schema::check(args).await,
        ToolCommand::DeadLetters(command) => dead_letters::run(command).await,
        ToolCommand::Archive(command) => archive::run(command).await,
        ToolCommand::Restore(args) => restore::run(args).await,
        ToolCommand::Fork(args) => restore::fork(args).await,
    };
    result.unwrap_or_else(|error| startup::exit_code(error.as_ref()))
}

async fn inspect(args: InspectArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let log = Log::open(&args.log).await?;
    let history = history::read(&log, args.of).await?;
    log.close().await;
    if history.events.is_empty() {
        return Ok(history::nothing_of(args.of.aggregate));
    }
    let text = if args.json { to_json(&history)? } else { table::render(&history) };
    print(&text)?;
    Ok(ExitCode::from(if history.is_decoded() { startup::EXIT_OK } else { startup::EXIT_FAILURE }))
}

fn to_json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// A reader that has seen enough, such as `head`, is no error.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
