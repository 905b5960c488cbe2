//! Runs a tool to its end and turns its failure into a sentence.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use crate::failure::{Because, Failure, Result};

/// Runs `command` quietly; what it printed is shown only when it fails.
pub fn quietly(command: &mut Command, doing: &str) -> Result<Output> {
    let tool = tool_name(command);
    let output = command.output().because(|| format!("cannot run {tool}, `./dev doctor` says what is missing"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(15)..].join("\n    ");
    Err(Failure::new(format!("{doing} failed ({}), {tool} said:\n    {last}", output.status)))
}

/// Runs `command` with its output on our terminal.
pub fn openly(command: &mut Command, doing: &str) -> Result<()> {
    let tool = tool_name(command);
    let status = command.status().because(|| format!("cannot run {tool}, `./dev doctor` says what is missing"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{doing} failed ({status}), see what {tool} said above")))
}

/// Prints a line for a person or for a pipe; a pipe that was closed, as by `head`, is no error.
pub fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Whether a program of this name is on the PATH.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn tool_name(command: &Command) -> String {
    Path::new(command.get_program())
        .file_name()
        .map_or_else(|| "the tool".to_owned(), |name| name.to_string_lossy().into_owned())
}
