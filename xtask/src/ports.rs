//! Which ports a stack listens on, and who sits on one that is taken.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use rand::RngExt;

use crate::failure::{Because, Failure, Result};
use crate::paths;

/// Below the range from which the kernel gives ports to clients, so that no connection takes one in between.
const RESERVABLE: std::ops::Range<u16> = 20_000..32_000;

/// A port that no other stack of this machine's user takes while this value lives.
#[derive(Debug)]
pub struct Reserved {
    pub port: u16,
    _lock: File,
}

/// Finds a free port and holds it for the life of the answer (of the process at most).
pub fn reserve() -> Result<Reserved> {
    let folder = paths::cache()?.join("ports");
    paths::make_folder(&folder)?;
    for _ in 0..1_000 {
        let port = rand::rng().random_range(RESERVABLE);
        let lock =
            File::create(folder.join(port.to_string())).because(|| format!("cannot write in {}", folder.display()))?;
        if lock.try_lock().is_ok() && is_free(port) {
            return Ok(Reserved { port, _lock: lock });
        }
    }
    Err(Failure::new("no free port between 20000 and 32000, stop some servers and try again"))
}

pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Says who holds a port that `wanted_by` needs.
pub fn taken(port: u16, wanted_by: &str) -> Failure {
    let who = match holder(port) {
        Some((pid, name)) => format!("process {pid} ({name})"),
        None => "a process of another user or another container".to_owned(),
    };
    Failure::new(format!(
        "port {port}, which {wanted_by} needs, is taken by {who}: stop it, then run the command again"
    ))
}

/// The process that listens on `port`, where /proc lets us see it.
fn holder(port: u16) -> Option<(u32, String)> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| listening_inode(&table, port))?;
    let wanted = PathBuf::from(format!("socket:[{inode}]"));
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let holds = |folder: &Path| {
            fs::read_dir(folder)
                .is_ok_and(|files| files.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == wanted)))
        };
        if holds(&process.path().join("fd")) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}

/// A row of the table: number, local address, remote address, state (0A listens), ..., inode in the tenth column.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|row| {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let (_, hexadecimal) = columns.get(1)?.rsplit_once(':')?;
        let listens = *columns.get(3)? == "0A" && u16::from_str_radix(hexadecimal, 16) == Ok(port);
        listens.then(|| columns.get(9)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        let sentence = taken(port, "Kafka").to_string();
        assert!(sentence.contains(&std::process::id().to_string()), "{sentence}");
    }

    #[test]
    fn two_reservations_never_meet() {
        let held: Vec<Reserved> = (0..20).map(|_| reserve().unwrap()).collect();
        let mut ports: Vec<u16> = held.iter().map(|one| one.port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), held.len());
    }
}
