//! Where things lie: the repository, the cache outside of it and the folder of each stack.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Because, Failure, Result};

/// The repository this program was built from.
pub fn repository() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// The download cache: `GROOT_CACHE`, else `~/.cache/groot`.
pub fn cache() -> Result<PathBuf> {
    if let Some(path) = env::var_os("GROOT_CACHE") {
        return Ok(path.into());
    }
    let home = env::var_os("HOME")
        .because(|| "neither GROOT_CACHE nor HOME is set, set GROOT_CACHE to a folder for downloads".to_owned())?;
    Ok(PathBuf::from(home).join(".cache/groot"))
}

/// Where cargo puts what it builds for this workspace.
pub fn cargo_target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// The folder of one stack: `.groot/<name>/{data,logs,run}` in the repository.
#[derive(Debug, Clone)]
pub struct StackPaths {
    pub root: PathBuf,
}

impl StackPaths {
    /// Names are folder names: letters, digits, `-` and `_`.
    pub fn of(name: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(Failure::new(format!("{name:?} is no stack name, use letters, digits, - and _")));
        }
        Ok(Self { root: repository().join(".groot").join(name) })
    }

    pub fn data(&self, part: &str) -> PathBuf {
        self.root.join("data").join(part)
    }

    pub fn log(&self, part: &str) -> PathBuf {
        self.root.join("logs").join(format!("{part}.log"))
    }

    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// KEY=VALUE lines with every address of the stack.
    pub fn env(&self) -> PathBuf {
        self.root.join("env")
    }

    pub fn create(&self) -> Result<()> {
        for part in ["data", "logs", "run"] {
            make_folder(&self.root.join(part))?;
        }
        Ok(())
    }

    /// Removes data, logs and addresses: nothing of the stack is left.
    pub fn wipe(&self) -> Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::new(format!("cannot remove {}: {cause}, remove it by hand", self.root.display())))
            }
            _ => {
                // The shared parent goes with the last stack; others may still live there.
                if let Some(parent) = self.root.parent() {
                    let _ = fs::remove_dir(parent);
                }
                Ok(())
            }
        }
    }
}

pub(crate) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).because(|| format!("cannot create {}, check who may write there", path.display()))
}
