//! Redis from Debian, with an append-only file.

use std::path::PathBuf;

use super::{Server, Service, Site};
use crate::failure::{Failure, Result};
use crate::process::Launch;
use crate::{paths, run};

pub(super) fn lay_out(site: &Site) -> Result<Server> {
    if !run::is_installed("redis-server") {
        return Err(Failure::new("redis-server is missing, install it with: apt-get install redis-server"));
    }
    let data = site.paths.data("redis");
    paths::make_folder(&data)?;
    let port = site.ports.redis;
    let args = format!("--bind 127.0.0.1 --port {port} --appendonly yes --daemonize no --dir");
    let mut args: Vec<String> = args.split(' ').map(str::to_owned).collect();
    args.push(data.display().to_string());
    args.push("--save".to_owned());
    args.push(String::new());
    Ok(Server {
        service: Service::Redis,
        launch: Launch { name: "redis".to_owned(), program: PathBuf::from("redis-server"), args, env: Vec::new() },
        ports: vec![port],
        probe: site.ports.probe(Service::Redis),
    })
}
