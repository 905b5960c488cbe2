//! Toxiproxy: one proxy for each way and broker, told over HTTP to cut, hold or slow what goes through it.

use serde_json::json;

use super::{Server, Service, Site, write};
use crate::failure::Result;
use crate::packages;
use crate::process::Launch;

/// The name of a proxy; both numbers count from 1.
pub fn proxy(way: usize, broker: usize) -> String {
    format!("way-{way}-kafka-{broker}")
}

pub(super) fn lay_out(site: &Site) -> Result<Server> {
    let program = site.cache.provide(&packages::TOXIPROXY, site.progress)?.join("server");
    let mut proxies = Vec::new();
    for (way, brokers) in (1..).zip(&site.ports.ways) {
        for (broker, (upstream, listen)) in (1..).zip(brokers) {
            proxies.push(json!({
                "name": proxy(way, broker),
                "listen": format!("127.0.0.1:{listen}"),
                "upstream": format!("127.0.0.1:{upstream}"),
                "enabled": true,
            }));
        }
    }
    let config = site.paths.data("toxiproxy").join("proxies.json");
    write(&config, &json!(proxies).to_string())?;
    let args =
        ["-host", "127.0.0.1", "-port", &site.ports.toxiproxy.to_string(), "-config", &config.display().to_string()];
    let args = args.map(str::to_owned).to_vec();
    let ports = site.ports.of(Service::Toxiproxy);
    Ok(Server {
        service: Service::Toxiproxy,
        launch: Launch {
            name: "toxiproxy".to_owned(),
            program,
            args,
            env: vec![("LOG_LEVEL".to_owned(), "warn".to_owned())],
        },
        ports,
        probe: site.ports.probe(Service::Toxiproxy),
    })
}
