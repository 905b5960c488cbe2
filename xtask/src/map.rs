//! Keeps ARCHITECTURE.md true: what it names is there, and what is there it names.

use std::fs;
use std::path::Path;

use crate::failure::{Because, Failure, Result};

const MAP: &str = "ARCHITECTURE.md";

/// Fails with every path that the map names and the repository lacks, and every top-level folder that the map lacks.
pub fn check(root: &Path) -> Result<()> {
    let map = root.join(MAP);
    let text = fs::read_to_string(&map).because(|| format!("cannot read {}", map.display()))?;
    let mut wrong: Vec<String> = paths_in(&text)
        .filter(|path| !root.join(path).exists())
        .map(|path| format!("{MAP} names `{path}`, which is not there"))
        .collect();
    wrong.extend(
        folders(root)?
            .iter()
            .filter(|folder| !text.contains(&format!("`{folder}/")))
            .map(|folder| format!("{MAP} does not name the folder `{folder}/`")),
    );
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("\n"))) }
}

/// What stands in backticks and looks like a path: it has a slash, but not at its start as URLs do, or the ending of a
/// file; patterns such as `<name>.rs` are no paths.
fn paths_in(text: &str) -> impl Iterator<Item = &str> {
    const ENDINGS: [&str; 7] = [".md", ".toml", ".rs", ".yaml", ".env", ".avsc", ".lock"];
    let in_prose = text.split("```").step_by(2);
    let quoted = in_prose.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    quoted.filter(|quote| {
        let plain = quote.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let inside = quote.contains('/') && !quote.starts_with('/');
        plain && (inside || ENDINGS.iter().any(|ending| quote.len() > ending.len() && quote.ends_with(ending)))
    })
}

fn folders(root: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(root).because(|| format!("cannot list {}", root.display()))?;
    let names = entries.flatten().filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.') && name != "target").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_true() {
        check(&crate::paths::repository()).unwrap();
    }

    #[test]
    fn urls_patterns_and_code_are_no_paths() {
        let text = "`event-log/src/reader.rs` `/api/docs` `<name>.rs` `x::y` `a b/c` `Cargo.toml` `./dev`\n```\n`no/path`\n```\n`infra/`";
        let found: Vec<&str> = paths_in(text).collect();
        assert_eq!(found, ["event-log/src/reader.rs", "Cargo.toml", "./dev", "infra/"]);
    }

    #[test]
    fn a_missing_path_and_an_unnamed_folder_are_both_told() {
        let root = std::env::temp_dir().join(format!("groot-map-{}", std::process::id()));
        fs::create_dir_all(root.join("unnamed")).unwrap();
        fs::write(root.join(MAP), "`gone/away.rs`").unwrap();
        let told = check(&root).unwrap_err().to_string();
        fs::remove_dir_all(&root).unwrap();
        assert!(told.contains("`gone/away.rs`"), "{told}");
        assert!(told.contains("`unnamed/`"), "{told}");
    }
}
