//! Reads `infra/versions.env`, the one place where versions stand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::failure::{Because, Result};

#[derive(Debug, Clone)]
pub struct Versions(BTreeMap<String, String>);

impl Versions {
    /// Reads the file of the repository at `root`.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join("infra/versions.env");
        let text =
            fs::read_to_string(&path).because(|| format!("cannot read {}, restore it from git", path.display()))?;
        Ok(Self(parse(&text)))
    }

    /// The version called `name`, or a sentence saying that the file lacks it.
    pub fn get(&self, name: &str) -> Result<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .because(|| format!("infra/versions.env has no {name}, add the line {name}=<version>"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, version)| (name.as_str(), version.as_str()))
    }
}

/// KEY=VALUE lines; blank lines and lines that begin with `#` say nothing.
pub(crate) fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_name_nothing() {
        let read = parse("# KAFKA=1\n\nKAFKA=2\n MONGO = 3 \n");
        assert_eq!(read.len(), 2);
        assert_eq!(read["KAFKA"], "2");
        assert_eq!(read["MONGO"], "3");
    }
}
