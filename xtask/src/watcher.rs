//! Ends a test's servers when the test run is gone, however it went.
//!
//! A small shell waits on a pipe whose other end only this program holds. The kernel closes that end when the program
//! ends, kill -9 included; the shell then kills every process that the stack's pid files name and removes its data.

use std::process::{Child, ChildStdin, Command, Stdio};

use crate::failure::{Because, Result};
use crate::paths::StackPaths;

const SCRIPT: &str = r#"
read -r _
for file in "$1"/run/*.pid; do
    [ -f "$file" ] || continue
    read -r pid start < "$file"
    now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)
    [ "$now" = "$start" ] && kill -9 -- "-$pid" 2>/dev/null
done
rm -rf "$1"
"#;

#[derive(Debug)]
pub(crate) struct Watcher {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Watcher {
    pub fn start(paths: &StackPaths) -> Result<Self> {
        let mut child = Command::new("setsid")
            .args(["sh", "-c", SCRIPT, "watcher"])
            .arg(&paths.root)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .because(|| "cannot run setsid and sh, install them with: apt-get install util-linux dash".to_owned())?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.child.wait();
    }
}
