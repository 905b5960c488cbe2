//! What each command of `./dev` does.

mod bench;
mod dashboard;
mod doctor;
mod down;
mod faults;
mod lint;
mod mutations;
mod replay;
mod status;
mod test;
mod up;

pub use bench::bench;
pub use doctor::doctor;
pub use down::down;
pub use faults::faults;
pub use lint::lint;
pub use mutations::mutations;
pub use replay::replay;
pub use status::status;
pub use test::test;
pub use up::up;

use std::fs;
use std::process::Command;

use crate::cache::Cache;
use crate::failure::{Because, Failure, Result};
use crate::paths::StackPaths;
use crate::process::last_lines;
use crate::progress::Progress;
use crate::{digests as digest_file, packages, run};

/// The name of the developer's stack.
pub const DEVELOPER: &str = "dev";

pub fn logs(part: Option<&str>, follow: bool) -> Result<()> {
    let paths = StackPaths::of(DEVELOPER)?;
    let folder = paths.root.join("logs");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| file.file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".log").map(str::to_owned))
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(Failure::new("there are no logs yet, start the stack with `./dev up`"));
    }
    let chosen: Vec<&String> = names.iter().filter(|name| part.is_none_or(|part| part == name.as_str())).collect();
    if chosen.is_empty() {
        return Err(Failure::new(format!("there is no such part, take one of {}", names.join(", "))));
    }
    if follow || part.is_some() {
        let mut tail = Command::new("tail");
        tail.args(["-n", if follow { "50" } else { "+1" }]);
        if follow {
            tail.arg("-F");
        }
        return run::openly(tail.args(chosen.iter().map(|name| paths.log(name))), "reading the log");
    }
    for name in chosen {
        run::print(&format!("{name}\n{}\n", last_lines(&paths.log(name), 10)));
    }
    Ok(())
}

/// Downloads everything anew and pins it.
pub fn digests() -> Result<()> {
    let cache = Cache::open()?;
    let progress = Progress::shown();
    let mut text = String::new();
    for package in packages::ALL {
        text += &cache.pin(&package, &progress)?;
        progress.done(package.name, "pinned");
    }
    let file = digest_file::lock_file(&cache.repository);
    fs::write(&file, text).because(|| format!("cannot write {}", file.display()))
}
