//! What a person types into a search box. There is no language to break: everything but pairs of quotation marks is words.

/// Words, and phrases that must be found as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// With spaces between; empty for none.
    pub loose: String,
    pub phrases: Vec<String>,
}

impl Words {
    /// What stands between two quotation marks is a phrase; a mark without another is none. None if no word is left.
    pub fn of(typed: &str) -> Option<Self> {
        let plain: String = typed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let parts: Vec<&str> = plain.split(['"', '\u{201c}', '\u{201d}', '\u{201e}']).collect();
        let (mut loose, mut phrases) = (Vec::new(), Vec::new());
        for (place, part) in parts.iter().enumerate() {
            let is_closed = place + 1 < parts.len();
            let words: Vec<&str> = part.split_whitespace().collect();
            if words.is_empty() {
                continue;
            }
            if place % 2 == 1 && is_closed {
                phrases.push(words.join(" "));
            } else {
                loose.extend(words);
            }
        }
        let words = Self { loose: loose.join(" "), phrases };
        let says_something =
            words.loose.chars().chain(words.phrases.iter().flat_map(|p| p.chars())).any(char::is_alphanumeric);
        says_something.then_some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(typed: &str) -> Option<(String, Vec<String>)> {
        Words::of(typed).map(|words| (words.loose, words.phrases))
    }

    fn some(loose: &str, phrases: &[&str]) -> Option<(String, Vec<String>)> {
        Some((loose.to_owned(), phrases.iter().map(|phrase| (*phrase).to_owned()).collect()))
    }

    #[test]
    fn what_stands_between_two_marks_is_a_phrase() {
        assert_eq!(words("war and  peace"), some("war and peace", &[]));
        assert_eq!(words(r#"the "state of  the union" today "#), some("the today", &["state of the union"]));
        assert_eq!(words("\u{201c}four score\u{201d}"), some("", &["four score"]));
    }

    #[test]
    fn a_mark_alone_and_signs_are_nothing_special() {
        assert_eq!(words(r#"half "open"#), some("half open", &[]));
        assert_eq!(words(r#"a"b"c"d"#), some("a c d", &["b"]));
        assert_eq!(words("title:(x AND [y TO z])~2^3 /.*/ \\"), some("title:(x AND [y TO z])~2^3 /.*/ \\", &[]));
    }

    #[test]
    fn nothing_but_signs_is_no_question() {
        for typed in ["", "  ", "\"\"", "?!", "\u{0}\n", "\" \"", "***"] {
            assert_eq!(words(typed), None, "{typed:?}");
        }
    }
}
