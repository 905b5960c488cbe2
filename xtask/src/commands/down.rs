use std::time::Duration;

use crate::cache::Cache;
use crate::commands::DEVELOPER;
use crate::compose;
use crate::failure::Result;
use crate::groot;
use crate::paths::StackPaths;
use crate::run;
use crate::stack;
use crate::stack_lock::StackLock;

/// A program of ours hands its partitions over and flushes within 25 s; a server closes its files.
const PATIENCE: Duration = Duration::from_secs(27);

/// Stops Groot first, then the servers it writes to.
pub fn down(wipe: bool) -> Result<()> {
    let cache = Cache::open()?;
    let _lock = StackLock::take(&cache, DEVELOPER)?;
    let paths = StackPaths::of(DEVELOPER)?;
    let mut ended = groot::stop(&paths, PATIENCE);
    ended.extend(stack::end_all(&paths, PATIENCE));
    if compose::is_in_use(&paths) {
        compose::down(&cache, wipe)?;
        ended.push("the containers".to_owned());
    }
    match ended.as_slice() {
        [] => run::print("Nothing was running."),
        names => run::print(&format!("Stopped {}.", names.join(", "))),
    }
    if wipe {
        paths.wipe()?;
        run::print(&format!("Removed {} with all data and logs.", paths.root.display()));
    }
    Ok(())
}
