//! One start or stop of a stack at a time.

use std::fs::File;

use crate::cache::Cache;
use crate::failure::{Because, Failure, Result};
use crate::paths;

/// Held while a stack is being started or stopped; by a test's stack all its life.
#[derive(Debug)]
pub struct StackLock {
    _file: File,
}

impl StackLock {
    /// The lock lies in the cache, because `down --wipe` leaves nothing in the repository.
    pub fn take(cache: &Cache, name: &str) -> Result<Self> {
        let folder = cache.folder.join("locks");
        paths::make_folder(&folder)?;
        let repository = cache.repository.display().to_string().replace('/', "%");
        let path = folder.join(format!("{repository}%{name}"));
        let file = File::create(&path).because(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(_) => Err(Failure::new(format!(
                "another command is starting or stopping the stack {name:?} just now: wait for it to end, then run this one again"
            ))),
        }
    }
}
