//! `If-Match`: the version that the client saw.

/// What the header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    Version(u64),
    /// `*`: whatever version there is.
    Any,
}

impl IfMatch {
    pub const EXPECTED: &'static str =
        "This must be one version, such as \"3\", the ETag of a read, such as \"3.1f9c\", or *.";

    /// Takes a bare version, a quoted one, and the ETag of a read (version, dot, hash). A weak tag is taken as well:
    /// proxies that compress weaken tags, and the version in it is exact all the same.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::Any);
        }
        let tag = text.strip_prefix("W/");
        let quoted = tag.unwrap_or(text).strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let tag = match (tag, quoted) {
            (_, Some(inner)) => inner,
            (Some(_), None) => return None,
            (None, None) => text,
        };
        let (version, hash) = tag.split_once('.').unwrap_or((tag, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let hash_like = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !digits(version) || !hash_like(hash) {
            return None;
        }
        version.parse().ok().map(Self::Version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_a_version_is_taken() {
        for text in ["3", "\"3\"", "\"3.1f9c-_A\"", "W/\"3\"", "W/\"3.1f9c\"", " \"3\" ", "3.1f9c"] {
            assert_eq!(IfMatch::parse(text), Some(IfMatch::Version(3)), "{text}");
        }
        assert_eq!(IfMatch::parse("*"), Some(IfMatch::Any));
    }

    #[test]
    fn what_names_no_single_version_is_refused() {
        let bad = [
            "",
            "\"\"",
            "abc",
            "\"abc\"",
            "-1",
            "+1",
            "\"1",
            "1\"",
            "W/3",
            "w/\"3\"",
            "\"3\", \"4\"",
            "3,4",
            "\"3.\"",
            "\".a\"",
            "3.a.b",
            "99999999999999999999",
            "\"*\"",
            "3 4",
        ];
        for text in bad {
            assert_eq!(IfMatch::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}") {
            let _ = IfMatch::parse(&text);
        }
    }
}
