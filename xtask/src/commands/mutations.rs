//! Takes one rule after the other out of the code, in a copy of it, and wants the tests that hold the rule to fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::cache::{Cache, exclusive};
use crate::failure::{Because, Failure, Result};
use crate::progress::Progress;
use crate::{paths, run};

const FOLDER: &str = "tests/mutations";
/// Where the copy is built, within the place where all is.
const BUILT_IN: &str = "mutations";
/// What a line begins with that names a test which must fail.
const RED: &str = "red: ";
/// Where the tests are, in one build.
const TESTS: [&str; 12] = [
    "-p",
    "event-log",
    "-p",
    "command-api",
    "-p",
    "projectors",
    "-p",
    "groot-tests",
    "--lib",
    "--test=simulation",
    "--test=suite",
    "--no-fail-fast",
];

pub fn mutations(chosen: &[String]) -> Result<()> {
    let cache = Cache::open()?;
    super::test::prepare(&cache, &Progress::shown())?;
    let all = Mutation::all()?;
    if let Some(unknown) = chosen.iter().find(|name| all.iter().all(|mutation| mutation.name != **name)) {
        let names: Vec<&str> = all.iter().map(|mutation| mutation.name.as_str()).collect();
        return Err(Failure::new(format!("there is no mutation {unknown}, take some of {}", names.join(", "))));
    }
    let _lock = exclusive(&cache.folder.join("mutations.lock"))?;
    let tree = Tree::check_out(cache.folder.join("mutations"))?;
    let mut green = Vec::new();
    for mutation in all.iter().filter(|mutation| chosen.is_empty() || chosen.contains(&mutation.name)) {
        green.extend(tree.try_out(mutation)?);
    }
    if green.is_empty() {
        run::print("every test that was named turned red");
        return Ok(());
    }
    Err(Failure::new(format!("these stayed green: {}", green.join("; "))))
}

/// Whether the code still has the place that each patch changes.
pub fn check() -> Result<()> {
    for Mutation { patch, .. } in Mutation::all()? {
        git(&paths::repository(), &["apply", "--check", &patch.display().to_string()])?;
    }
    Ok(())
}

struct Mutation {
    name: String,
    patch: PathBuf,
    /// What is taken out, in a sentence.
    what: String,
    /// Tests.
    red: Vec<String>,
}

impl Mutation {
    fn all() -> Result<Vec<Self>> {
        let folder = paths::repository().join(FOLDER);
        let entries = fs::read_dir(&folder).because(|| format!("cannot list {}", folder.display()))?;
        let mut patches: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
        patches.sort();
        patches.into_iter().map(Self::read).collect()
    }

    fn read(patch: PathBuf) -> Result<Self> {
        let text = fs::read_to_string(&patch).because(|| format!("cannot read {}", patch.display()))?;
        let head = text.split("diff --git").next().unwrap_or_default();
        let red: Vec<String> = head.lines().filter_map(|line| line.strip_prefix(RED)).map(str::to_owned).collect();
        if red.is_empty() {
            return Err(Failure::new(format!("{} names no test", patch.display())));
        }
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let what = head.lines().next().unwrap_or_default().to_owned();
        Ok(Self { name, patch, what, red })
    }
}

/// The last commit, in a folder outside of the repository: a change that is not committed is not in it.
struct Tree(PathBuf);

impl Tree {
    fn check_out(folder: PathBuf) -> Result<Self> {
        let repository = paths::repository();
        let head = git(&repository, &["rev-parse", "HEAD"])?;
        if !folder.exists() {
            git(&repository, &["worktree", "prune"])?;
            git(&repository, &["worktree", "add", "--quiet", "--detach", &folder.display().to_string(), head.trim()])?;
        }
        git(&folder, &["checkout", "--quiet", "--force", "--detach", head.trim()])?;
        Ok(Self(folder))
    }

    /// Names the tests that stayed green.
    fn try_out(&self, mutation: &Mutation) -> Result<Vec<String>> {
        let Mutation { name, patch, what, red } = mutation;
        run::print(&format!("{name}: {what}"));
        git(&self.0, &["checkout", "--quiet", "--force", "."])?;
        git(&self.0, &["apply", &patch.display().to_string()])?;
        let began = Instant::now();
        // What does not build proves nothing.
        run::quietly(self.cargo_test().arg("--no-run"), &format!("building without {name}"))?;
        let output =
            self.cargo_test().args(["--", "--exact"]).args(red).output().because(|| "cannot run cargo".to_owned())?;
        let said = String::from_utf8_lossy(&output.stdout);
        let mut green = Vec::new();
        for test in red {
            let failed = said.lines().any(|line| line == format!("test {test} ... FAILED"));
            match message(&said, test) {
                Some(message) if failed => run::print(&format!("  red    {test}: {message}")),
                _ => {
                    run::print(&format!("  GREEN  {test}"));
                    green.push(format!("{test}, without {name}"));
                }
            }
        }
        run::print(&format!("  {:.0} s", began.elapsed().as_secs_f64()));
        git(&self.0, &["checkout", "--quiet", "--force", "."])?;
        Ok(green)
    }

    fn cargo_test(&self) -> Command {
        // A place of its own: what is built without a rule must never be taken for what the repository builds.
        let target = paths::repository().join(paths::cargo_target()).join(BUILT_IN);
        let mut command = Command::new("cargo");
        command
            .arg("test")
            .args(TESTS)
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", target)
            .env_remove("RUST_BACKTRACE");
        command
    }
}

/// The first line of what a test said when it failed.
fn message<'a>(said: &'a str, test: &str) -> Option<&'a str> {
    let own = said.split_once(&format!("---- {test} stdout ----"))?.1;
    let own = own.split("\n---- ").next()?;
    own.lines().skip_while(|line| !line.contains("panicked at")).nth(1)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output =
        run::quietly(Command::new("git").args(arguments).current_dir(folder), &format!("git {}", arguments[0]))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
