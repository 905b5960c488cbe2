//! The product's programs, as the tests start them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The built program `name`. Builds all of them for the first who asks, since a test's own build does not cover programs
/// of other packages; or takes them from the folder in `GROOT_TEST_PROGRAMS`, where that is set. Blocks.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    if let Some(folder) = std::env::var_os("GROOT_TEST_PROGRAMS") {
        return folder.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above its packages");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "-p",
            "command-api",
            "-p",
            "projectors",
            "-p",
            "query-api",
            "-p",
            "replay-tool",
            "--bins",
        ])
        .current_dir(root)
        .status()
        .expect("cargo runs, as it runs this");
    assert!(built.success(), "the programs under test do not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
    target.join("debug")
}
