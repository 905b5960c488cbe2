//! One of the product's programs as a process, at addresses that stay the same when it is started anew.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::task::block_in_place;
use xtask::ports::{self, Reserved};
use xtask::process::{Launch, Process, last_lines};
use xtask::stack::Stack;

use crate::binaries::binary;
use crate::client::Client;
use crate::waiting::{PATIENCE, until, until_within};

/// Its calls that block need a runtime of several threads. Dropping it kills the process.
#[derive(Debug)]
pub struct Program {
    /// Where clients are served, for a program that has clients.
    pub base: String,
    pub admin: String,
    stack: &'static Stack,
    launch: Launch,
    process: Mutex<Process>,
    http: Client,
    _ports: [Reserved; 2],
}

/// Resident memory in MiB.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    pub mib: f64,
    /// The most since the process began.
    pub most_mib: f64,
}

impl Program {
    /// Starts the program. `name` tells it from all others on the stack.
    pub fn start(stack: &'static Stack, name: &str, program: &str, args: &[&str], env: &[(String, String)]) -> Self {
        block_in_place(|| {
            let ports = [(); 2].map(|()| ports::reserve().expect("a free port"));
            let [http, admin] = ports.each_ref().map(|port| format!("127.0.0.1:{}", port.port));
            let mut env = env.to_vec();
            let state = stack.paths().data("state").join(name).display().to_string();
            env.push(("GROOT_STATE_DIR".to_owned(), state));
            env.push(("GROOT_HTTP_ADDR".to_owned(), http.clone()));
            env.push(("GROOT_ADMIN_ADDR".to_owned(), admin.clone()));
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            let launch = Launch { name: name.to_owned(), program: binary(program), args, env };
            let process = Mutex::new(stack.spawn(&launch).expect("the program starts"));
            let [base, admin] = [http, admin].map(|address| format!("http://{address}"));
            Self { base, admin, stack, launch, process, http: Client::default(), _ports: ports }
        })
    }

    /// The sum of a metric whose lines begin so.
    pub async fn metric(&self, name: &str) -> f64 {
        let page = self.http.request("GET", &format!("{}/metrics", self.admin)).send().await.expect("an answer");
        let page = page.text().await.expect("metrics");
        let lines = page.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Waits until it says that it is ready.
    pub async fn is_ready(&self) {
        self.is_ready_within(PATIENCE).await;
    }

    /// The same of one that may have much to do first.
    pub async fn is_ready_within(&self, patience: Duration) {
        let url = format!("{}/ready", self.admin);
        until_within(patience, &format!("readiness of {}", self.launch.name), async || {
            assert!(self.is_alive(), "{} ended by itself:\n{}", self.launch.name, self.last_words());
            self.http.is_ok(&url).await.then_some(())
        })
        .await;
    }

    pub fn pid(&self) -> u32 {
        self.process().identity.pid
    }

    pub fn is_alive(&self) -> bool {
        self.process().is_alive()
    }

    /// Seconds of processor time that it has taken so far, in user mode and in the kernel.
    pub fn cpu_seconds(&self) -> f64 {
        block_in_place(|| self.process().identity.cpu_seconds().expect("the process is there"))
    }

    /// How much memory it holds.
    pub fn resident(&self) -> anyhow::Result<Resident> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
            let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
            anyhow::Ok(kib / 1024.0)
        };
        Ok(Resident { mib: mib("VmRSS:")?, most_mib: mib("VmHWM:")? })
    }

    /// SIGKILL; it is dead when this returns.
    pub fn kill(&self) {
        block_in_place(|| self.process().kill());
    }

    /// Stops its clock (SIGSTOP): it keeps its connections and does nothing.
    pub fn pause(&self) {
        self.process().signal(Signal::SIGSTOP);
    }

    /// Undoes `pause`.
    pub fn resume(&self) {
        self.process().signal(Signal::SIGCONT);
    }

    /// Starts it again after its end.
    pub fn restart(&self) {
        block_in_place(|| *self.process() = self.stack.spawn(&self.launch).expect("the program starts again"));
    }

    /// SIGTERM; returns at once.
    pub fn terminate(&self) {
        self.process().signal(Signal::SIGTERM);
    }

    /// Waits for its end, and gives its exit code and all that it said.
    pub async fn ended(&self) -> (Option<i32>, String) {
        let end = format!("the end of {}", self.launch.name);
        let code = until(&end, async || {
            let mut process = self.process();
            (!process.is_alive()).then(|| process.exit_code())
        });
        let code = code.await;
        let said = std::fs::read_to_string(self.stack.paths().log(&self.launch.name)).unwrap_or_default();
        (code, said)
    }

    /// What a command-api says of one partition: how it stands there, or null.
    pub async fn standing(&self, partition: u32) -> Value {
        self.owners().await["partitions"][partition.to_string()]["here"].take()
    }

    /// The generation of the group that a command-api is a member of, or null.
    pub async fn generation(&self) -> Value {
        self.owners().await["generation"].take()
    }

    async fn owners(&self) -> Value {
        let url = format!("{}/owners", self.admin);
        // One that was just started may not listen yet.
        until(&format!("the owners that {} knows", self.launch.name), async || {
            assert!(self.is_alive(), "{} ended by itself:\n{}", self.launch.name, self.last_words());
            self.http.request("GET", &url).send().await.ok()?.json().await.ok()
        })
        .await
    }

    /// What a command-api says of the partitions: those that it serves itself.
    pub async fn serves(&self) -> Vec<u32> {
        let page = self.owners().await;
        let serving = |(number, partition): (&String, &Value)| {
            (partition["here"]["phase"] == "serving").then(|| number.parse().expect("a number"))
        };
        let mut found: Vec<u32> =
            page["partitions"].as_object().expect("partitions").iter().filter_map(serving).collect();
        found.sort_unstable();
        found
    }

    fn last_words(&self) -> String {
        last_lines(&self.stack.paths().log(&self.launch.name), 30)
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.process().kill();
        if std::thread::panicking() {
            eprintln!("{} said at last:\n{}", self.launch.name, self.last_words());
        }
    }
}
