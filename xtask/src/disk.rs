//! Free space, asked for before it is needed.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::failure::{Because, Failure, Result};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// Fails with a sentence when fewer than `bytes` are free where `path` is (or will be).
pub fn require(path: &Path, bytes: u64, for_what: &str) -> Result<()> {
    let free = free(path)?;
    if free >= bytes {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{for_what} needs {:.1} GiB free in {}, there is {:.1} GiB: free some space (`./dev down --wipe` removes the data of the stack)",
        gibibytes(bytes),
        path.display(),
        gibibytes(free)
    )))
}

/// Free bytes for this user on the disk of `path`, or of its nearest folder that exists.
pub fn free(path: &Path) -> Result<u64> {
    let there = path.ancestors().find(|place| place.exists()).unwrap_or(path);
    let about = statvfs(there).because(|| format!("cannot ask for the free space of {}", there.display()))?;
    Ok(about.blocks_available() * about.fragment_size())
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / GIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_one_sentence_with_both_figures() {
        let sentence = require(Path::new("/"), u64::MAX, "the stack").unwrap_err().to_string();
        assert!(sentence.starts_with("the stack needs"), "{sentence}");
        assert!(sentence.contains("there is"), "{sentence}");
    }

    #[test]
    fn a_folder_yet_to_be_made_is_asked_at_its_parent() {
        assert!(free(Path::new("/tmp/not/there/yet")).unwrap() > 0);
    }
}
