//! A PostgreSQL of the machine's own packages, for peers.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::{Uid, User};
use tempfile::TempDir;
use tokio::net::TcpStream;
use xtask::ports::{self, Reserved};
use xtask::process::{Launch, Process};
use xtask::stack::Stack;

use crate::waiting;

/// Dropping it ends the server and removes its data.
#[derive(Debug)]
pub struct Postgres {
    pub url: String,
    process: Process,
    _data: TempDir,
    port: Reserved,
}

const USER: &str = "groot";

impl Postgres {
    /// Starts one with its defaults: a commit is on disk before it is acknowledged. Without `fsync` it is in the memory of the
    /// machine, as a record is that a broker acknowledges.
    pub fn start(stack: &Stack, name: &str, fsync: bool) -> Result<Self> {
        let programs = programs()?;
        let data = tempfile::Builder::new().prefix("groot-postgres-").tempdir().context("no folder for PostgreSQL")?;
        let port = ports::reserve().map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let directory = data.path().display().to_string();
        let servant = servant()?;
        if let Some(user) = &servant {
            chown(data.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        let made = {
            let words = ["--pgdata", &directory, "--username", USER, "--auth", "trust", "--encoding", "UTF8"];
            let (program, args) = as_user(servant.as_ref(), &programs.join("initdb"), &words);
            Command::new(program).args(args).output().context("initdb cannot be run")?
        };
        if !made.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        }
        let number = port.port.to_string();
        let fsync = if fsync { "fsync=on" } else { "fsync=off" };
        let listen = "listen_addresses=127.0.0.1";
        let words = ["-D", &directory, "-p", &number, "-c", listen, "-c", "unix_socket_directories=", "-c", fsync];
        let (program, args) = as_user(servant.as_ref(), &programs.join("postgres"), &words);
        let process = stack
            .spawn(&Launch { name: name.to_owned(), program, args, env: Vec::new() })
            .map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let url = format!("postgres://{USER}@127.0.0.1:{number}/postgres");
        Ok(Self { url, process, _data: data, port })
    }

    /// Waits until it takes connections.
    pub async fn listens(&self) {
        waiting::until("PostgreSQL", async || TcpStream::connect(("127.0.0.1", self.port.port)).await.ok()).await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// Where Debian puts them: in a folder of their version, off the path.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|programs| programs.join("initdb").exists());
    found.sort();
    found.pop().context(
        "there is no PostgreSQL under /usr/lib/postgresql: install the package postgresql, or leave --peers out",
    )
}

/// Who runs the server: PostgreSQL refuses to run as root.
fn servant() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres")?.context("there is no user postgres to run PostgreSQL as")?;
    Ok(Some(user))
}

fn as_user(user: Option<&User>, program: &Path, words: &[&str]) -> (PathBuf, Vec<String>) {
    let words = words.iter().map(|word| (*word).to_owned());
    let Some(user) = user else { return (program.to_owned(), words.collect()) };
    let change = [
        "--reuid".to_owned(),
        user.uid.to_string(),
        "--regid".to_owned(),
        user.gid.to_string(),
        "--clear-groups".to_owned(),
        program.display().to_string(),
    ];
    (PathBuf::from("setpriv"), change.into_iter().chain(words).collect())
}
