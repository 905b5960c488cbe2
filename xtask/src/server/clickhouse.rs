//! The ClickHouse engine behind our small HTTP front (`infra/local/clickhouse/front.py`).

use std::path::PathBuf;

use super::{Server, Service, Site};
use crate::failure::Result;
use crate::process::Launch;
use crate::{packages, paths};

pub(super) fn lay_out(site: &Site) -> Result<Server> {
    let engine = site.cache.provide(&packages::CLICKHOUSE, site.progress)?;
    let data = site.paths.data("clickhouse");
    paths::make_folder(&data)?;
    let port = site.ports.clickhouse;
    let front = site.cache.repository.join("infra/local/clickhouse/front.py");
    let args = [
        front.display().to_string(),
        "--port".to_owned(),
        port.to_string(),
        "--data".to_owned(),
        data.display().to_string(),
    ];
    let env = [("PYTHONPATH", engine.display().to_string()), ("PYTHONUNBUFFERED", "1".to_owned())];
    Ok(Server {
        service: Service::Clickhouse,
        launch: Launch {
            name: "clickhouse".to_owned(),
            program: PathBuf::from("/usr/bin/python3"),
            args: args.to_vec(),
            env: env.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        },
        ports: vec![port],
        probe: site.ports.probe(Service::Clickhouse),
    })
}
