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
    [ "$now" = "$start" ] && kill -9 "-$pid" 2>/dev/null
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::process::{Launch, Process};

    #[test]
    fn what_would_go_on_without_its_data_is_ended_as_well() {
        let paths = StackPaths { root: std::env::temp_dir().join(format!("groot-watched-{}", std::process::id())) };
        paths.create().unwrap();
        let args = vec!["60".to_owned()];
        let launch = Launch { name: "part".to_owned(), program: PathBuf::from("sleep"), args, env: Vec::new() };
        let mut process = Process::start(&paths, &launch).unwrap();
        // As when this program ends: the other end of the pipe is closed.
        drop(Watcher::start(&paths).unwrap());
        while process.is_alive() {
            std::thread::yield_now();
        }
        assert!(!paths.root.exists());
    }
}
