//! Elasticsearch from its own jars, started by our launcher (`infra/local/elasticsearch/*.java`), which also brings the
//! analysers that the jars lack.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Server, Service, Site, java, write};
use crate::cache::Cache;
use crate::failure::{Because, Result};
use crate::progress::Progress;
use crate::{packages, paths, run};

/// The launcher, and the analysers in a module of their own.
const SOURCES: [&str; 2] = ["Launcher.java", "analysis/AnalysisCommon.java"];

pub(super) fn lay_out(site: &Site) -> Result<Server> {
    let place = provide(site.cache, site.progress)?;
    let (port, transport) = site.ports.elasticsearch;
    let home = site.paths.data("elasticsearch");
    paths::make_folder(&home.join("plugins"))?;
    paths::make_folder(&home.join("tmp"))?;
    link_modules(&place.modules, &home)?;
    // What is counted is what requests and fields take. By default it is the heap as it stands, which the serial collector lets fill up before
    // it looks: requests are then refused (429) for what nobody holds any more.
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
action.auto_create_index: false
indices.breaker.total.use_real_memory: false
",
        home = home.display()
    );
    write(&home.join("config/elasticsearch.yml"), &settings)?;
    fs::copy(
        site.cache.repository.join("infra/local/elasticsearch/log4j2.properties"),
        home.join("config/log4j2.properties"),
    )
    .because(|| "cannot copy infra/local/elasticsearch/log4j2.properties, restore it from git".to_owned())?;
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
        launch: java("elasticsearch", site.optimising, args.to_vec(), Vec::new()),
        ports: vec![port, transport],
        probe: site.ports.probe(Service::Elasticsearch),
    })
}

/// What the launcher runs from, all of it in the cache.
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
    let place = Place { class_path: format!("{0}/lib/*:{0}/main", built.display()), modules: built.join("modules") };
    let mut text = String::new();
    for file in SOURCES {
        let file = sources.join(file);
        text +=
            &fs::read_to_string(&file).because(|| format!("cannot read {}, restore it from git", file.display()))?;
    }
    if fs::read_to_string(built.join("sources.txt")).is_ok_and(|known| known == text) {
        return Ok(place);
    }
    progress.say("elasticsearch", "compiling its launcher");
    let _ = fs::remove_dir_all(&built);
    link_jars(&jars, &built)?;
    let netty = built.join("modules/transport-netty4");
    let version = cache.versions.get("ELASTICSEARCH_VERSION")?;
    describe(&netty, "transport-netty4", "org.elasticsearch.transport.netty4.Netty4Plugin", version)?;
    compile(&jars, &sources.join(SOURCES[0]), &built.join("main"))?;
    compile(&jars, &sources.join(SOURCES[1]), &built.join("analysis"))?;
    let analysis = built.join("modules/analysis-common");
    describe(&analysis, "analysis-common", "groot.local.elasticsearch.AnalysisCommon", version)?;
    let mut jar = Command::new("jar");
    jar.arg("cf").arg(analysis.join("analysis-common.jar")).arg("-C").arg(built.join("analysis")).arg(".");
    run::quietly(&mut jar, "packing the analysers")?;
    write(&built.join("sources.txt"), &text)?;
    Ok(place)
}

/// A jar may be seen once only: those of the transport belong to its module, all others to the server.
fn link_jars(jars: &Path, built: &Path) -> Result<()> {
    let (lib, module) = (built.join("lib"), built.join("modules/transport-netty4"));
    paths::make_folder(&lib)?;
    paths::make_folder(&module)?;
    for file in fs::read_dir(jars).because(|| format!("cannot list {}", jars.display()))?.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".jar") {
            continue;
        }
        let of_transport = ["netty-", "transport-netty4-", "elasticsearch-ssl-config-"];
        let to = if of_transport.iter().any(|start| name.starts_with(start)) { &module } else { &lib };
        fs::hard_link(file.path(), to.join(&name)).because(|| format!("cannot link {name}"))?;
    }
    Ok(())
}

fn describe(module: &Path, name: &str, class: &str, version: &str) -> Result<()> {
    let text = format!(
        "name={name}
description={name}
version={version}
elasticsearch.version={version}
java.version=17
classname={class}
has.native.controller=false
"
    );
    write(&module.join("plugin-descriptor.properties"), &text)
}

fn compile(jars: &Path, source: &Path, into: &Path) -> Result<()> {
    let mut javac = Command::new("javac");
    javac.args(["-nowarn", "-proc:none", "-cp"]).arg(format!("{}/*", jars.display())).arg("-d").arg(into).arg(source);
    run::quietly(&mut javac, "compiling Elasticsearch's launcher (needs the Debian package openjdk-17-jdk-headless)")?;
    Ok(())
}

fn link_modules(modules: &Path, home: &Path) -> Result<()> {
    let link = home.join("modules");
    let _ = fs::remove_file(&link);
    symlink(modules, &link).because(|| format!("cannot link {}", link.display()))
}
