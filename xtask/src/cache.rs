//! The cache of downloads: a package is there whole and checked, or it is not there.
//!
//! A package is fetched into a temporary folder beside its place, compared with its pinned digests, unpacked, and only
//! then renamed to its final name. What an interrupted download leaves is a temporary folder that the next one removes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::{Because, Result};
use crate::packages::Package;
use crate::progress::Progress;
use crate::versions::Versions;
use crate::{digests, disk, paths};

/// The largest package (the ClickHouse engine) is 180 MB packed and 700 MB unpacked.
const SPACE_FOR_A_PACKAGE: u64 = 2 << 30;

#[derive(Debug, Clone)]
pub struct Cache {
    pub folder: PathBuf,
    pub repository: PathBuf,
    pub versions: Versions,
}

impl Cache {
    pub fn open() -> Result<Self> {
        let repository = paths::repository();
        let folder = paths::cache()?;
        paths::make_folder(&folder.join("packages"))?;
        let versions = Versions::read(&repository)?;
        Ok(Self { folder, repository, versions })
    }

    /// The folder of `package`, fetched first where it is not there yet.
    pub fn provide(&self, package: &Package, progress: &Progress) -> Result<PathBuf> {
        let label = package.label(self)?;
        let place = self.place(&label);
        let pinned = digests::pinned(&self.repository, &label)?;
        let checked_against = format!("{pinned:?}");
        let is_checked = || fs::read_to_string(place.join(".checked")).is_ok_and(|text| text == checked_against);
        if is_checked() {
            return Ok(place);
        }
        let _lock = self.lock(package.name)?;
        if is_checked() {
            return Ok(place);
        }
        disk::require(&self.folder, SPACE_FOR_A_PACKAGE, &format!("downloading {label}"))?;
        let temporary = self.fetch(package, &label, progress)?;
        digests::verify(&temporary.join("download"), &label, &pinned)?;
        progress.say(package.name, "unpacking");
        package.unpack(self, &temporary.join("download"), &temporary.join("unpacked"))?;
        fs::write(temporary.join("unpacked/.checked"), checked_against)
            .because(|| format!("cannot write in {}", temporary.display()))?;
        let _ = fs::remove_dir_all(&place);
        fs::rename(temporary.join("unpacked"), &place)
            .because(|| format!("cannot move {label} to {}", place.display()))?;
        let _ = fs::remove_dir_all(&temporary);
        Ok(place)
    }

    /// Downloads `package` anew and answers the lines that pin it.
    pub fn pin(&self, package: &Package, progress: &Progress) -> Result<String> {
        let label = package.label(self)?;
        let _lock = self.lock(package.name)?;
        let temporary = self.fetch(package, &label, progress)?;
        let lines = digests::lines(&temporary.join("download"), &label);
        let _ = fs::remove_dir_all(&temporary);
        lines
    }

    pub fn is_there(&self, package: &Package) -> bool {
        package.label(self).is_ok_and(|label| self.place(&label).join(".checked").exists())
    }

    fn fetch(&self, package: &Package, label: &str, progress: &Progress) -> Result<PathBuf> {
        let temporary = self.folder.join("packages").join(format!(".half-{label}"));
        let _ = fs::remove_dir_all(&temporary);
        paths::make_folder(&temporary.join("download"))?;
        paths::make_folder(&temporary.join("unpacked"))?;
        progress.say(package.name, &format!("downloading {label}"));
        package.download(self, &temporary.join("download"))?;
        Ok(temporary)
    }

    pub(crate) fn place(&self, label: &str) -> PathBuf {
        self.folder.join("packages").join(label)
    }

    /// One process fills a package at a time; the lock ends with the answer.
    pub(crate) fn lock(&self, name: &str) -> Result<File> {
        exclusive(&self.folder.join("packages").join(format!(".{name}.lock")))
    }
}

/// Waits until nobody else holds the lock file at `path`.
pub(crate) fn exclusive(path: &Path) -> Result<File> {
    let file = File::create(path).because(|| format!("cannot write {}", path.display()))?;
    file.lock().because(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}
