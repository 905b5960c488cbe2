//! The Apicurio schema registry, spoken to by its Confluent-compatible API, with its data in an H2 file so that schema
//! ids survive a restart, and each write on disk before it is answered so that they survive a kill -9 as well.

use std::fs;

use super::{Server, Service, Site, java};
use crate::failure::{Because, Result};
use crate::{packages, paths};

pub(super) fn lay_out(site: &Site) -> Result<Server> {
    let place = site.cache.provide(&packages::REGISTRY, site.progress)?;
    let runner = fs::read_dir(&place)
        .because(|| format!("cannot list {}", place.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with("-runner.jar"))
        .because(|| format!("{} has no runner jar, remove that folder and run the command again", place.display()))?;
    let data = site.paths.data("registry");
    paths::make_folder(&data)?;
    let port = site.ports.registry;
    let env = [
        ("QUARKUS_HTTP_HOST", "127.0.0.1".to_owned()),
        ("QUARKUS_HTTP_PORT", port.to_string()),
        (
            "REGISTRY_DATASOURCE_URL",
            format!("jdbc:h2:file:{}/registry;DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0", data.display()),
        ),
    ];
    let args = ["-Xmx256m", "-XX:+UseSerialGC", "-jar", &runner.display().to_string()];
    Ok(Server {
        service: Service::Registry,
        launch: java(
            "registry",
            // It is asked once for each schema.
            false,
            args.map(str::to_owned).to_vec(),
            env.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        ),
        ports: vec![port],
        probe: site.ports.probe(Service::Registry),
    })
}
