//! The pinned SHA-256 of every file that comes from outside: `infra/local/digests.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Because, Failure, Result};
use crate::run;

/// File name to digest, for one package.
pub type Digests = BTreeMap<String, String>;

pub fn lock_file(root: &Path) -> PathBuf {
    root.join("infra/local/digests.txt")
}

/// The pinned digests of the package at `name`-`version`.
pub fn pinned(root: &Path, package: &str) -> Result<Digests> {
    let path = lock_file(root);
    let text = fs::read_to_string(&path).because(|| format!("cannot read {}, restore it from git", path.display()))?;
    Ok(of_package(&text, package))
}

/// Compares the files of `folder` with what is pinned, all of them and no others.
pub fn verify(folder: &Path, package: &str, pinned: &Digests) -> Result<()> {
    verify_known(folder, package, pinned)?;
    match compute(folder)?.keys().find(|file| !pinned.contains_key(*file)) {
        Some(extra) => Err(Failure::new(format!(
            "{package}: {extra} came along but is not pinned in infra/local/digests.txt, so it is not used"
        ))),
        None => Ok(()),
    }
}

/// Compares the pinned files with what lies in `folder`; other files there are none of its business.
pub fn verify_known(folder: &Path, package: &str, pinned: &Digests) -> Result<()> {
    if pinned.is_empty() {
        return Err(Failure::new(format!(
            "infra/local/digests.txt pins nothing for {package}: after a deliberate change of version run `cargo xtask digests`"
        )));
    }
    let found = compute(folder)?;
    for (file, digest) in pinned {
        match found.get(file) {
            None => {
                return Err(Failure::new(format!(
                    "{package}: the file {file} did not come, remove {} and run the command again",
                    folder.display()
                )));
            }
            Some(other) if other != digest => {
                return Err(Failure::new(format!(
                    "{package}: {file} is not the file that was pinned (SHA-256 {other}, pinned {digest}): the download \
                     is damaged or was replaced at its source. It is not used; run the command again, and if it stays \
                     so, find out why before you pin it anew"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Lines of the lock file for what lies in `folder`.
pub fn lines(folder: &Path, package: &str) -> Result<String> {
    let digests = compute(folder)?;
    Ok(digests.iter().map(|(file, digest)| format!("{digest}  {package}/{file}\n")).collect())
}

fn of_package(text: &str, package: &str) -> Digests {
    text.lines()
        .filter_map(|line| line.split_once("  "))
        .filter_map(|(digest, path)| Some((digest, path.split_once('/')?)))
        .filter(|(_, (owner, _))| *owner == package)
        .map(|(digest, (_, file))| (file.to_owned(), digest.to_owned()))
        .collect()
}

/// Coreutils does the sums: a debug build of our own would take a minute over them.
fn compute(folder: &Path) -> Result<Digests> {
    let entries = fs::read_dir(folder).because(|| format!("cannot list {}", folder.display()))?;
    let is_file = |entry: &fs::DirEntry| entry.path().is_file();
    let mut files: Vec<_> = entries.flatten().filter(is_file).map(|entry| entry.file_name()).collect();
    files.sort();
    if files.is_empty() {
        return Ok(Digests::new());
    }
    let mut command = Command::new("sha256sum");
    command.args(&files).current_dir(folder);
    let output = run::quietly(&mut command, "checking digests")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, file)| (file.to_owned(), digest.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("groot-digests-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("a.jar"), "hello").unwrap();
        path
    }

    #[test]
    fn the_right_file_passes_and_a_changed_one_is_named() {
        let folder = folder("changed");
        let pinned = of_package(&format!("{HELLO}  kafka-1/a.jar\n{HELLO}  other-1/b.jar\n"), "kafka-1");
        verify(&folder, "kafka-1", &pinned).unwrap();
        fs::write(folder.join("a.jar"), "hellO").unwrap();
        let sentence = verify(&folder, "kafka-1", &pinned).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(sentence.contains("a.jar is not the file that was pinned"), "{sentence}");
    }

    #[test]
    fn a_file_too_many_a_file_too_few_and_nothing_pinned_are_refused() {
        let folder = folder("extra");
        let pinned = of_package(&format!("{HELLO}  kafka-1/a.jar\n"), "kafka-1");
        fs::write(folder.join("b.jar"), "hello").unwrap();
        assert!(verify(&folder, "kafka-1", &pinned).is_err());
        fs::remove_file(folder.join("b.jar")).unwrap();
        fs::remove_file(folder.join("a.jar")).unwrap();
        assert!(verify(&folder, "kafka-1", &pinned).is_err());
        assert!(verify(&folder, "kafka-2", &Digests::new()).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
