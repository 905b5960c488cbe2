//! The servers as containers of the official images, where a container engine answers.

use std::fs;
use std::process::Command;

use crate::cache::Cache;
use crate::failure::{Because, Result};
use crate::paths::StackPaths;
use crate::progress::Progress;
use crate::run;
use crate::stack::{Options, Stack};

pub const FILE: &str = "infra/compose/compose.yaml";

/// Whether containers can be run: an engine answers and it understands compose files.
pub fn engine_answers() -> bool {
    let succeeds = |args: &[&str]| Command::new("docker").args(args).output().is_ok_and(|ran| ran.status.success());
    run::is_installed("docker") && succeeds(&["info"]) && succeeds(&["compose", "version"])
}

/// Starts the containers and waits for the servers in them over the same protocols as for plain processes.
pub fn up(cache: &Cache, name: &str, options: &Options, progress: &Progress) -> Result<Stack> {
    let stack = Stack::adopt(name, options, || {
        progress.say("containers", "starting (the first time the images are downloaded)");
        run::openly(compose(cache).args(["up", "--detach"]), "starting the containers")
    })?;
    fs::write(mark(stack.paths()), "").because(|| "cannot note that containers run".to_owned())?;
    progress.done("containers", "ready");
    Ok(stack)
}

pub fn down(cache: &Cache, wipe: bool) -> Result<()> {
    let mut command = compose(cache);
    command.args(["down", "--timeout", "25"]);
    if wipe {
        command.arg("--volumes");
    }
    run::openly(&mut command, "stopping the containers")
}

/// Whether this stack's servers were started in containers.
pub fn is_in_use(paths: &StackPaths) -> bool {
    mark(paths).exists()
}

/// `docker compose` for our file, with the versions from their one place.
pub fn compose(cache: &Cache) -> Command {
    let mut command = Command::new("docker");
    command.args(["compose", "--env-file", "infra/versions.env", "--file", FILE]).current_dir(&cache.repository);
    command
}

fn mark(paths: &StackPaths) -> std::path::PathBuf {
    paths.run().join("containers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;
    use crate::versions::Versions;

    #[test]
    fn every_image_takes_its_version_from_versions_env() {
        let root = paths::repository();
        let versions = Versions::read(&root).unwrap();
        let text = fs::read_to_string(root.join(FILE)).unwrap();
        let images: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("image:")).collect();
        assert_eq!(images.len(), crate::server::Service::ALL.len());
        for image in images {
            let (_, version) = image.trim().split_once(':').unwrap();
            let name = version.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            let name = name.unwrap_or_else(|| panic!("{image} names a version of its own"));
            versions.get(name).unwrap();
        }
    }
}
