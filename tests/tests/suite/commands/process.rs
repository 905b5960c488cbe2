//! A command-api as a process of its own.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use groot_tests::binaries::binary;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::world::{World, soon};

pub struct Instance {
    child: Child,
    pub base: String,
    pub admin: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Instance {
    /// Starts one and waits until it serves all that is assigned to it.
    pub async fn start(world: &World) -> Self {
        Self::start_with(world, &[]).await
    }

    pub async fn start_with(world: &World, env: &[(&str, &str)]) -> Self {
        let instance = Self::begin_with(world, env).await;
        instance.is_ready(world).await;
        instance
    }

    /// Starts one and does not wait until it is ready.
    pub async fn begin_with(world: &World, env: &[(&str, &str)]) -> Self {
        let (child, mut stderr) = spawn(world, env).await;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let find = async {
            while let Some(line) = stderr.next_line().await.unwrap() {
                lines.lock().unwrap().push(line.clone());
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                if let (Some(http), Some(admin)) = (entry["http.addr"].as_str(), entry["admin.addr"].as_str()) {
                    return Some((format!("http://{http}"), format!("http://{admin}")));
                }
            }
            None
        };
        let Some((base, admin)) = soon("the instance's addresses", find).await else {
            panic!("command-api ended at its start: {:?}", lines.lock().unwrap());
        };
        let rest = lines.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                rest.lock().unwrap().push(line);
            }
        });
        Self { child, base, admin, lines }
    }

    pub async fn is_ready(&self, world: &World) {
        let url = format!("{}/ready", self.admin);
        soon("readiness", async {
            loop {
                if world.http.get(&url).send().await.is_ok_and(|answer| answer.status() == 200) {
                    return;
                }
                pause().await;
            }
        })
        .await;
    }

    /// What it says of all partitions.
    pub async fn owners(&self, world: &World) -> Value {
        world.http.get(format!("{}/owners", self.admin)).send().await.unwrap().json().await.unwrap()
    }

    /// The partitions that it says it serves.
    pub async fn serves(&self, world: &World) -> Vec<u32> {
        let page = self.owners(world).await;
        let partitions = page["partitions"].as_object().unwrap();
        partitions
            .iter()
            .filter(|(_, partition)| partition["here"]["phase"] == "serving")
            .map(|(number, _)| number.parse().unwrap())
            .collect()
    }

    /// What it says of a partition that it has.
    pub async fn here(&self, world: &World, partition: u32) -> Value {
        self.owners(world).await["partitions"][partition.to_string()]["here"].clone()
    }

    /// All that it has said so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// How often it has said something so far.
    pub fn has_said(&self, text: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    pub async fn serves_until(&self, world: &World, what: &str, enough: impl Fn(usize) -> bool) {
        soon(what, async {
            while !enough(self.serves(world).await.len()) {
                pause().await;
            }
        })
        .await;
    }

    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed());
        kill(pid, Signal::SIGTERM).unwrap();
        soon("the end of the process", self.child.wait()).await.unwrap()
    }

    /// From now on no file of it can be written past this many bytes.
    pub async fn limit_files(&self, bytes: u64) {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg("--pid").arg(self.child.id().unwrap().to_string()).arg(format!("--fsize={bytes}"));
        assert!(prlimit.status().await.unwrap().success());
    }

    /// How it ended by itself, and what it said.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = soon("the end of the process", self.child.wait()).await.unwrap();
        (status, self.lines.lock().unwrap().join("\n"))
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.lines.lock().unwrap().iter() {
                eprintln!("{line}");
            }
        }
    }
}

/// Runs one that is not expected to come up, and gives its end and its last words.
pub async fn run_to_end(world: &World, env: &[(&str, &str)]) -> (ExitStatus, String) {
    let (mut child, mut stderr) = spawn(world, env).await;
    let mut text = String::new();
    let read = async {
        while let Some(line) = stderr.next_line().await.unwrap() {
            text.push_str(&line);
            text.push('\n');
        }
        child.wait().await.unwrap()
    };
    let status = soon("the end of the process", read).await;
    (status, text)
}

/// Between two looks at something that has to come by itself.
pub async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
}

async fn spawn(world: &World, env: &[(&str, &str)]) -> (Child, Lines<BufReader<ChildStderr>>) {
    let program = tokio::task::spawn_blocking(|| binary("command-api")).await.unwrap();
    // Where its files may not grow it gets an error, as on a full disk, and no signal.
    let mut child = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; exec "$0""#])
        .arg(program)
        .envs(world.env())
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, stderr)
}
