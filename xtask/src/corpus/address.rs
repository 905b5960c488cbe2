//! One address of the corpus, and the post that it becomes.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

/// Sentences of a paragraph; the source has no paragraphs of its own.
const PARAGRAPH: usize = 5;

/// The folder of the corpus is not what it should be.
#[derive(Debug, Error)]
pub enum AddressError {
    #[error("cannot read the corpus in {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is not an address of the corpus: {source}")]
    Malformed { path: PathBuf, source: serde_json::Error },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The file's name without its ending; unique, and the idempotency key of its post.
    pub key: String,
    pub year: i32,
    pub speaker: String,
    pub party: String,
    pub text: String,
}

#[derive(Deserialize)]
struct Source {
    year: i32,
    name: String,
    party: String,
    text: String,
}

/// All addresses of the package's data folder, in the order of their keys: by year, then by name.
pub fn read(folder: &Path) -> Result<Vec<Address>, AddressError> {
    let unreadable = |source| AddressError::Unreadable { path: folder.to_owned(), source };
    let mut addresses = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            addresses.push(address(&path)?);
        }
    }
    addresses.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(addresses)
}

fn address(path: &Path) -> Result<Address, AddressError> {
    let text = fs::read_to_string(path).map_err(|source| AddressError::Unreadable { path: path.to_owned(), source })?;
    let source: Source =
        serde_json::from_str(&text).map_err(|source| AddressError::Malformed { path: path.to_owned(), source })?;
    let key = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Address { key, year: source.year, speaker: source.name, party: source.party, text: printable(&source.text) })
}

/// Some files hold stray control characters from their scanning, which no post may.
fn printable(text: &str) -> String {
    text.replace("\r\n", "\n").chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

impl Address {
    pub fn title(&self) -> String {
        format!("{}: State of the Union {}", self.speaker, self.year)
    }

    /// The 1st of January of its year: the source knows no day.
    pub fn published_at(&self) -> String {
        format!("{:04}-01-01T00:00:00.000Z", self.year)
    }

    /// Party and century.
    pub fn tags(&self) -> Vec<String> {
        let party = match self.party.as_str() {
            "none" => "no party",
            party => party,
        };
        vec![party.to_owned(), format!("{}th century", (self.year - 1) / 100 + 1).replace("21th", "21st")]
    }

    pub fn content(&self) -> String {
        let sentences = sentences(&self.text);
        sentences.chunks(PARAGRAPH).map(|paragraph| paragraph.join(" ")).collect::<Vec<_>>().join("\n\n")
    }
}

/// Cuts after a full stop, question or exclamation mark that a capital follows. Abbreviations make a short sentence now
/// and then, which for the length of paragraphs does not matter.
fn sentences(text: &str) -> Vec<&str> {
    let text = text.trim();
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut ended = false;
    for (at, character) in text.char_indices() {
        if ended && character.is_uppercase() {
            sentences.push(text[start..at].trim_end());
            start = at;
        }
        ended = matches!(character, '.' | '?' | '!') || (ended && (character.is_whitespace() || character == '"'));
    }
    sentences.push(&text[start..]);
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_the_source_are_left_out() {
        assert_eq!(printable("a\u{2}b\r\n\tc\r"), "ab\n\tc");
    }

    fn address(year: i32, text: &str) -> Address {
        Address {
            key: "k".to_owned(),
            year,
            speaker: "A B".to_owned(),
            party: "none".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_century_of_a_round_year_is_the_one_that_ends_with_it() {
        assert_eq!(address(1800, "x").tags(), ["no party", "18th century"]);
        assert_eq!(address(1801, "x").tags()[1], "19th century");
        assert_eq!(address(2001, "x").tags()[1], "21st century");
    }

    #[test]
    fn five_sentences_make_a_paragraph_and_no_word_is_lost() {
        let text = "One. Two? Three! Four at 3.5 percent. Five. Six.";
        let content = address(1900, text).content();
        assert_eq!(content, "One. Two? Three! Four at 3.5 percent. Five.\n\nSix.");
    }
}
