//! The name of a post in addresses.

use event_schema::id::PostId;

/// Characters of the part made from the title.
const TITLE_PART_MAX: usize = 80;
/// Digits of the part made from the id.
const ID_PART: usize = 8;

/// The slugified title and the last 8 hexadecimal digits of the id. Its last group has 8 digits where a UUID's has 12, so
/// it can never be taken for one.
pub fn slug(title: &str, id: PostId) -> String {
    let digits = id.as_uuid().simple().to_string();
    let suffix = &digits[digits.len() - ID_PART..];
    let words = slug::slugify(title);
    let words = shortened(&words);
    if words.is_empty() { suffix.to_owned() } else { format!("{words}-{suffix}") }
}

/// Whether it could be made by [`slug`] of some title and some id: no slug that a person chooses may be.
pub fn is_automatic(slug: &str) -> bool {
    let last = slug.rsplit('-').next().unwrap_or_default();
    last.len() == ID_PART && last.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Cut between words where that leaves any.
fn shortened(words: &str) -> &str {
    // Slugified text is ASCII, so every index is a boundary.
    match words.get(..TITLE_PART_MAX) {
        Some(start) if words.len() > TITLE_PART_MAX => start.rfind('-').map_or(start, |end| &start[..end]),
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn id() -> PostId {
        PostId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_dead_beef))
    }

    #[test]
    fn a_slug_is_the_slugified_title_and_the_last_8_digits_of_the_id() {
        assert_eq!(slug("Hello, World!", id()), "hello-world-deadbeef");
        assert_eq!(slug("Äpfel & Öl", id()), "apfel-ol-deadbeef");
        assert_eq!(slug("!!!", id()), "deadbeef");
    }

    #[test]
    fn a_long_title_is_cut_between_words() {
        let found = slug(&"word ".repeat(40), id());
        assert_eq!(found, format!("{}-deadbeef", vec!["word"; 16].join("-")));
        assert_eq!(slug(&"x".repeat(200), id()), format!("{}-deadbeef", "x".repeat(80)));
    }

    proptest! {
        #[test]
        fn a_slug_is_never_shaped_like_a_uuid_nor_like_one_that_can_be_chosen(title in "[0-9a-f-]{0,60}|\\PC{0,200}", id: u128) {
            let found = slug(&title, PostId::new(Uuid::from_u128(id)));
            prop_assert!(Uuid::parse_str(&found).is_err());
            prop_assert!(is_automatic(&found), "{}", found);
            prop_assert!(crate::domain::fields::slug(&found).is_err(), "{} could be chosen", found);
            prop_assert!(found.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{}", found);
        }
    }
}
