//! Server processes: started in a session of their own, found again by pid file, ended whole.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::failure::{Because, Failure, Result};
use crate::paths::StackPaths;

/// A process with the moment it began (in clock ticks since boot), which tells it from a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub pid: u32,
    start: u64,
}

impl Identity {
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second column is the name in brackets and may hold anything: count from the last bracket.
        let (_, columns) = stat.rsplit_once(") ")?;
        let columns: Vec<&str> = columns.split(' ').collect();
        // A zombie whose other threads still run holds its ports: it is dead when only the first thread is left.
        let threads: u32 = columns.get(17)?.parse().ok()?;
        let dead = matches!(*columns.first()?, "Z" | "X") && threads <= 1;
        let start = columns.get(19)?.parse().ok()?;
        (!dead).then_some(Self { pid, start })
    }

    /// Reads the pid file; `None` when there is none, or when that process is gone and its number perhaps reused.
    pub fn from_file(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (pid, start) = text.trim().split_once(' ')?;
        let noted = Self { pid: pid.parse().ok()?, start: start.parse().ok()? };
        noted.is_alive().then_some(noted)
    }

    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Seconds of processor time taken so far, in user mode and in the kernel; `None` once it is gone.
    pub fn cpu_seconds(self) -> Option<f64> {
        /// The kernel counts in hundredths of a second on every Linux that Groot runs on (USER_HZ).
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let (_, columns) = stat.rsplit_once(") ")?;
        let columns: Vec<&str> = columns.split(' ').collect();
        let ticks = |column: usize| columns.get(column)?.parse::<u32>().ok();
        Some(f64::from(ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
    }

    /// Sends `signal` to the process and to all it started.
    pub fn signal(self, signal: Signal) {
        if !self.is_alive() {
            return;
        }
        let pid = Pid::from_raw(self.pid.cast_signed());
        // Before `setsid` has run the group does not exist yet; then the process alone is meant.
        if killpg(pid, signal).is_err() {
            let _ = kill(pid, signal);
        }
    }
}

/// What to run. Output goes to the log of the same name.
#[derive(Debug, Clone)]
pub struct Launch {
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// A started or found process of a stack.
#[derive(Debug)]
pub struct Process {
    pub name: String,
    pub identity: Identity,
    paths: StackPaths,
    /// Present when this very program started it: then it must be reaped by us.
    child: Option<Child>,
}

impl Process {
    /// Starts `launch` in its own session and notes its pid in the stack's run folder.
    pub fn start(paths: &StackPaths, launch: &Launch) -> Result<Self> {
        let log = paths.log(&launch.name);
        if log.exists() {
            let _ = fs::rename(&log, log.with_extension("log.1"));
        }
        let output =
            File::create(&log).because(|| format!("cannot write {}, check space and rights", log.display()))?;
        let errors = output.try_clone().because(|| "cannot share the log file".to_owned())?;
        let child = Command::new("setsid")
            .arg(&launch.program)
            .args(&launch.args)
            .envs(launch.env.iter().map(|(key, value)| (key, value)))
            .current_dir(&paths.root)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .because(|| "cannot run setsid, install it with: apt-get install util-linux".to_owned())?;
        let identity = Identity::of(child.id()).unwrap_or(Identity { pid: child.id(), start: 0 });
        fs::write(pid_file(paths, &launch.name), format!("{} {}\n", identity.pid, identity.start))
            .because(|| format!("cannot write the pid file of {}", launch.name))?;
        Ok(Self { name: launch.name.clone(), identity, paths: paths.clone(), child: Some(child) })
    }

    /// The running process noted under `name`, or nothing when its pid file is absent or stale.
    pub fn find(paths: &StackPaths, name: &str) -> Option<Self> {
        let identity = Identity::from_file(&pid_file(paths, name))?;
        Some(Self { name: name.to_owned(), identity, paths: paths.clone(), child: None })
    }

    /// Every running process of the stack, in the order of their names.
    pub fn all(paths: &StackPaths) -> Vec<Self> {
        let mut names: Vec<String> = fs::read_dir(paths.run())
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|file| file.file_name().into_string().ok())
            .filter_map(|file| file.strip_suffix(".pid").map(str::to_owned))
            .collect();
        names.sort();
        names.iter().filter_map(|name| Self::find(paths, name)).collect()
    }

    pub fn is_alive(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => self.identity.is_alive(),
        }
    }

    /// The exit code of a process that this very program started and that has ended by itself or on SIGTERM.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.as_mut()?.try_wait().ok()??.code()
    }

    /// Asks the process to end, insists after `patience`, and forgets its pid.
    pub fn stop(&mut self, patience: Duration) {
        self.identity.signal(Signal::SIGTERM);
        // A stopped (SIGSTOP) process cannot hear the request.
        self.identity.signal(Signal::SIGCONT);
        self.wait_for_end(patience);
        self.kill();
    }

    /// Ends the process and all it started without asking (SIGKILL).
    pub fn kill(&mut self) {
        self.identity.signal(Signal::SIGKILL);
        self.wait_for_end(Duration::from_secs(10));
        let _ = fs::remove_file(pid_file(&self.paths, &self.name));
    }

    pub fn signal(&self, signal: Signal) {
        self.identity.signal(signal);
    }

    fn wait_for_end(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.is_alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Why a process that should be there is gone: its last words.
    pub fn death(&self) -> Failure {
        let log = self.paths.log(&self.name);
        Failure::new(format!(
            "{} ended by itself, its log {} says at the end:\n{}",
            self.name,
            log.display(),
            last_words(&log)
        ))
    }
}

pub fn pid_file(paths: &StackPaths, name: &str) -> PathBuf {
    paths.run().join(format!("{name}.pid"))
}

/// The last `count` lines of a file.
pub fn last_lines(path: &Path, count: usize) -> String {
    let lines = tail(path);
    indented(&lines[lines.len().saturating_sub(count)..])
}

/// What a dead server said: complaints where there are some, since they often stand before a long trace, and the end.
fn last_words(path: &Path) -> String {
    const COMPLAINTS: [&str; 6] = ["ERROR", "FATAL", "Exception", "error:", "\"s\":\"E\"", "\"s\":\"F\""];
    let lines = tail(path);
    let (before, end) = lines.split_at(lines.len().saturating_sub(5));
    let complaints = before.iter().filter(|line| COMPLAINTS.iter().any(|word| line.contains(word)));
    let said: Vec<String> = complaints.take(5).chain(end).map(|line| line.chars().take(300).collect()).collect();
    indented(&said)
}

/// The lines in the last 64 KiB.
fn tail(path: &Path) -> Vec<String> {
    let mut tail = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let length = file.metadata().map_or(0, |about| about.len());
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)));
        let _ = file.read_to_end(&mut tail);
    }
    String::from_utf8_lossy(&tail).lines().map(str::to_owned).collect()
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(name: &str) -> StackPaths {
        let paths = StackPaths { root: std::env::temp_dir().join(format!("groot-{name}-{}", std::process::id())) };
        paths.create().unwrap();
        paths
    }

    fn shell(script: &str) -> Launch {
        let args = vec!["-c".to_owned(), script.to_owned()];
        Launch { name: "part".to_owned(), program: PathBuf::from("sh"), args, env: Vec::new() }
    }

    #[test]
    fn a_stale_pid_file_finds_nobody() {
        let paths = paths("stale");
        let mut process = Process::start(&paths, &shell("sleep 60")).unwrap();
        assert_eq!(Process::find(&paths, "part").unwrap().identity, process.identity);
        // Our own number with another's moment of birth: a reused pid.
        fs::write(pid_file(&paths, "part"), format!("{} 1\n", std::process::id())).unwrap();
        assert!(Process::find(&paths, "part").is_none());
        process.kill();
        assert!(Process::find(&paths, "part").is_none());
        paths.wipe().unwrap();
    }

    #[test]
    fn what_a_process_started_ends_with_it() {
        let paths = paths("group");
        let script = "sleep 60 & echo $!; wait";
        let mut process = Process::start(&paths, &shell(script)).unwrap();
        let grandchild = loop {
            if let Ok(pid) = last_lines(&paths.log("part"), 1).trim().parse() {
                break Identity::of(pid).unwrap();
            }
            std::thread::yield_now();
        };
        process.stop(Duration::from_secs(5));
        while grandchild.is_alive() {
            std::thread::yield_now();
        }
        assert!(!process.is_alive());
        paths.wipe().unwrap();
    }

    #[test]
    fn a_death_is_told_with_the_last_words() {
        let paths = paths("death");
        let mut process = Process::start(&paths, &shell("echo no space left; exit 1")).unwrap();
        while process.is_alive() {
            std::thread::yield_now();
        }
        assert!(process.death().to_string().contains("no space left"));
        paths.wipe().unwrap();
    }
}
