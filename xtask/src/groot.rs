//! Groot's own programs beside the local servers: built, started, seen to be ready, stopped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Because, Failure, Result};
use crate::paths::{self, StackPaths};
use crate::ports;
use crate::probe::Probe;
use crate::process::{self, Launch, Process};
use crate::progress::Progress;
use crate::stack::{self, Stack};

pub const COMMAND_URL: &str = "http://127.0.0.1:3001";
pub const QUERY_URL: &str = "http://127.0.0.1:3002";

/// One program of ours as the local stack runs it.
#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    pub program: &'static str,
    args: &'static [&'static str],
    http: Option<u16>,
    admin: u16,
}

/// In the order in which they are started: what is written is projected before it is read.
pub const PARTS: [Part; 4] = [
    Part { name: "command-api", program: "command-api", args: &[], http: Some(3001), admin: 9101 },
    Part { name: "projectors", program: "projectors", args: &["all"], http: None, admin: 9103 },
    Part { name: "archiver", program: "projectors", args: &["archive"], http: None, admin: 9104 },
    Part { name: "query-api", program: "query-api", args: &[], http: Some(3002), admin: 9102 },
];

impl Part {
    pub fn probe(&self) -> Probe {
        Probe::Http { port: self.admin, path: "/ready".to_owned() }
    }

    fn program(&self) -> PathBuf {
        paths::cargo_target().join("debug").join(self.program)
    }

    fn launch(&self, stack: &Stack) -> Launch {
        let mut env = stack.addresses().env();
        env.push(("GROOT_ADMIN_ADDR".to_owned(), format!("127.0.0.1:{}", self.admin)));
        let data = |part: &str| stack.paths().data(part).display().to_string();
        env.push(("GROOT_ARCHIVE".to_owned(), data("archive")));
        if self.name == "command-api" {
            env.push(("GROOT_STATE_DIR".to_owned(), data("command-api")));
            env.push(("GROOT_OBJECT_STORE".to_owned(), data("objects")));
        }
        if let Some(port) = self.http {
            env.push(("GROOT_HTTP_ADDR".to_owned(), format!("127.0.0.1:{port}")));
        }
        Launch {
            name: self.name.to_owned(),
            program: self.program(),
            args: self.args.iter().map(|arg| (*arg).to_owned()).collect(),
            env,
        }
    }

    /// A program built after its process was started runs old code.
    fn is_outdated(&self, paths: &StackPaths) -> bool {
        let changed = |path: PathBuf| fs::metadata(path).and_then(|about| about.modified());
        match (changed(self.program()), changed(process::pid_file(paths, self.name))) {
            (Ok(built), Ok(started)) => built > started,
            _ => false,
        }
    }
}

/// Builds the programs; what cargo says is shown as progress, and in full when it fails.
pub fn build(progress: &Progress) -> Result<()> {
    progress.say("build", "looking what is new");
    let mut command = Command::new("cargo");
    command.arg("build").current_dir(paths::repository());
    for part in &PARTS {
        command.args(["--package", part.program]);
    }
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .because(|| "cannot run cargo, install Rust with rustup".to_owned())?;
    let mut said = Vec::new();
    let mut compiled = 0;
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
            if let Some(what) = line.trim().strip_prefix("Compiling ") {
                compiled += 1;
                progress.tick("build", &format!("compiling {what} ({compiled} so far)"), compiled);
            }
            said.push(line);
        }
    }
    let status = child.wait().because(|| "cannot wait for cargo".to_owned())?;
    if !status.success() {
        let errors: Vec<&String> = said.iter().filter(|line| !line.trim_start().starts_with("Compiling")).collect();
        let shown: Vec<&str> = errors.iter().take(60).map(|line| line.as_str()).collect();
        return Err(Failure::new(format!("Groot does not build, cargo said:\n{}", shown.join("\n"))));
    }
    progress.done("build", if compiled == 0 { "nothing new" } else { "built" });
    Ok(())
}

/// Starts what does not run, restarts what was built anew, and returns when all say that they are ready.
pub fn start(stack: &Stack, progress: &Progress) -> Result<()> {
    for part in &PARTS {
        let running = Process::find(stack.paths(), part.name);
        let (mut process, state) = match running {
            Some(process) if !part.is_outdated(stack.paths()) => (process, "was running"),
            Some(mut process) => {
                progress.say(part.name, "stopping the old build");
                process.stop(Duration::from_secs(27));
                (begin(part, stack)?, "restarted with the new build")
            }
            None => (begin(part, stack)?, "ready"),
        };
        progress.say(part.name, "starting");
        stack::wait_until_ready(&part.probe(), &mut process)?;
        progress.done(part.name, &format!("{state} on port {}", part.http.unwrap_or(part.admin)));
    }
    Ok(())
}

/// Stops all of them at once. Answers the names of those that ran.
pub fn stop(paths: &StackPaths, patience: Duration) -> Vec<String> {
    let mut running: Vec<Process> = PARTS.iter().filter_map(|part| Process::find(paths, part.name)).collect();
    stack::end(&mut running, patience);
    running.into_iter().map(|process| process.name).collect()
}

fn begin(part: &Part, stack: &Stack) -> Result<Process> {
    if let Some(port) = part.http.into_iter().chain([part.admin]).find(|port| !ports::is_free(*port)) {
        return Err(ports::taken(port, part.name));
    }
    stack.spawn(&part.launch(stack))
}
