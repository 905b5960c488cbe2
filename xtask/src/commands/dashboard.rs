//! Whether the built dashboard, which is part of query-api, is what its sources make.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cache::Cache;
use crate::failure::{Because, Failure, Result};
use crate::{paths, run};

const SOURCES: &str = "query-api/dashboard";

/// Builds it beside, and compares file by file.
pub fn check(cache: &Cache) -> Result<()> {
    let sources = paths::repository().join(SOURCES);
    let built = cache.folder.join("dashboard-check");
    let npm = |arguments: &[&str], doing: &str| {
        let mut npm = Command::new("npm");
        run::quietly(npm.args(arguments).current_dir(&sources), doing).map(drop)
    };
    npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"], "fetching what the dashboard is built with")?;
    let out = built.display().to_string();
    npm(&["run", "build", "--", "--outDir", &out, "--emptyOutDir"], "building the dashboard")?;
    let differ = differences(&files(&sources.join("dist"))?, &files(&built)?);
    if differ.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the built dashboard is not what its sources make, run `npm run build` in {SOURCES} and commit dist/; other: {}",
        differ.join(", ")
    )))
}

fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).because(cannot)? {
        let path = entry.because(cannot)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            found.extend(files(&path)?.into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, fs::read(&path).because(cannot)?);
        }
    }
    Ok(found)
}

fn differences(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let differs = |name: &&String| one.get(*name) != other.get(*name);
    let mut names: Vec<_> = one.keys().chain(other.keys()).filter(differs).cloned().collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_other_is_named() {
        let folder = |files: &[(&str, &str)]| {
            files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect::<BTreeMap<_, _>>()
        };
        let (one, other) =
            (folder(&[("a", "1"), ("b", "1"), ("c", "1")]), folder(&[("a", "1"), ("b", "2"), ("d", "1")]));
        assert_eq!(differences(&one, &other), ["b", "c", "d"]);
        assert!(differences(&one, &one).is_empty());
    }
}
