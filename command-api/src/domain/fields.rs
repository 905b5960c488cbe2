//! What each field of a command may hold. Every function gives the value as it will be kept, or what is wrong with it.

use chrono::{DateTime, Datelike, Utc};
use event_schema::time::truncate_to_millis;
use uuid::Uuid;

use super::FieldError;
use super::post::is_automatic;

/// Characters of a title after trimming.
pub const TITLE_MAX: usize = 200;
/// Bytes of content: 1 MiB.
pub const CONTENT_MAX: usize = 1024 * 1024;
/// Characters of a comment after trimming.
pub const COMMENT_MAX: usize = 10_000;
/// Characters of an excerpt after trimming.
pub const EXCERPT_MAX: usize = 500;
pub const TAGS_MAX: usize = 20;
/// Characters of a tag after trimming.
pub const TAG_MAX: usize = 50;
/// Characters of a category after trimming.
pub const CATEGORY_MAX: usize = 50;
pub const MEDIA_MAX: usize = 50;
/// Characters of a slug that a person chooses.
pub const SLUG_MIN: usize = 3;
pub const SLUG_MAX: usize = 80;
/// Characters of a person's name after trimming.
pub const NAME_MAX: usize = 100;

/// One line of 1 to 200 characters, trimmed.
pub fn title(text: &str) -> Result<String, FieldError> {
    filled_line("title", text, TITLE_MAX)
}

/// One line of 1 to 100 characters, trimmed.
pub fn name(text: &str) -> Result<String, FieldError> {
    filled_line("name", text, NAME_MAX)
}

/// Markdown of 1 byte to 1 MiB, kept as it is.
pub fn content(text: String) -> Result<String, FieldError> {
    const FIELD: &str = "content";
    if text.is_empty() {
        return Err(FieldError::new(FIELD, "required", "This must hold at least one byte."));
    }
    if text.len() > CONTENT_MAX {
        let message = format!("This must hold at most {CONTENT_MAX} bytes; it holds {}.", text.len());
        return Err(FieldError::new(FIELD, "too-long", message));
    }
    no_controls(FIELD, &text, Lines::Many)?;
    Ok(text)
}

/// Markdown of 1 to 10,000 characters, trimmed.
pub fn comment(text: &str) -> Result<String, FieldError> {
    filled("content", text, COMMENT_MAX, Lines::Many)
}

/// Up to 500 characters, trimmed; blank is none.
pub fn excerpt(text: &str) -> Result<String, FieldError> {
    at_most("excerpt", text, EXCERPT_MAX, Lines::Many)
}

/// One line of up to 50 characters, trimmed; blank is none.
pub fn category(text: &str) -> Result<String, FieldError> {
    at_most("category", text, CATEGORY_MAX, Lines::One)
}

/// A slug that a person chooses: 3 to 80 characters of a-z and 0-9 in words with single hyphens between them, and none that
/// could be an id or be made of a title and an id.
pub fn slug(text: &str) -> Result<String, FieldError> {
    const FIELD: &str = "slug";
    let length = text.chars().count();
    if length > SLUG_MAX {
        let message = format!("This must hold at most {SLUG_MAX} characters; it holds {length}.");
        return Err(FieldError::new(FIELD, "too-long", message));
    }
    if length < SLUG_MIN {
        let message = format!("This must hold at least {SLUG_MIN} characters; it holds {length}.");
        return Err(FieldError::new(FIELD, "too-short", message));
    }
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !text.split('-').all(is_word) {
        let message = "This must be words of a-z and 0-9 with single hyphens between them.";
        return Err(FieldError::new(FIELD, "format", message));
    }
    if Uuid::try_parse(text).is_ok() {
        return Err(FieldError::new(FIELD, "reserved", "This must not be a UUID."));
    }
    if is_automatic(text) {
        let message = "This must not end in a word of 8 characters that are all 0-9 or a-f: slugs that are made of the title \
                       and the id of a post do.";
        return Err(FieldError::new(FIELD, "reserved", message));
    }
    Ok(text.to_owned())
}

/// Up to 20 tags of 1 to 50 characters, each trimmed. A tag that stands twice is kept once, where it stood first.
pub fn tags(given: &[String]) -> Result<Vec<String>, Vec<FieldError>> {
    const FIELD: &str = "tags";
    if given.len() > TAGS_MAX {
        // Each of ten thousand tags may be bad as well; the number says enough.
        let message = format!("This must hold at most {TAGS_MAX} tags; it holds {}.", given.len());
        return Err(vec![FieldError::new(FIELD, "too-many", message)]);
    }
    let mut errors = Vec::new();
    let mut tags: Vec<String> = Vec::new();
    for (index, tag) in given.iter().enumerate() {
        match filled_line(&format!("{FIELD}[{index}]"), tag, TAG_MAX) {
            Ok(tag) if tags.contains(&tag) => {}
            Ok(tag) => tags.push(tag),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(tags) } else { Err(errors) }
}

/// Up to 50 ids of media. One that stands twice is kept once, where it stood first.
pub fn media(given: &[Uuid]) -> Result<Vec<Uuid>, FieldError> {
    if given.len() > MEDIA_MAX {
        let message = format!("This must hold at most {MEDIA_MAX} ids; it holds {}.", given.len());
        return Err(FieldError::new("media", "too-many", message));
    }
    let mut media: Vec<Uuid> = Vec::new();
    for id in given {
        if !media.contains(id) {
            media.push(*id);
        }
    }
    Ok(media)
}

/// A time in the years 0001 to 9999, cut to the millisecond.
pub fn time(field: &str, time: DateTime<Utc>) -> Result<DateTime<Utc>, FieldError> {
    if (1..=9999).contains(&time.year()) {
        Ok(truncate_to_millis(time))
    } else {
        Err(FieldError::new(field, "out-of-range", "This must be in the years 0001 to 9999, in UTC."))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Lines {
    One,
    Many,
}

fn filled_line(field: &str, text: &str, max: usize) -> Result<String, FieldError> {
    filled(field, text, max, Lines::One)
}

fn filled(field: &str, text: &str, max: usize, lines: Lines) -> Result<String, FieldError> {
    let text = at_most(field, text, max, lines)?;
    if text.is_empty() {
        return Err(FieldError::new(field, "required", "This must hold at least one character that is not blank."));
    }
    Ok(text)
}

fn at_most(field: &str, text: &str, max: usize, lines: Lines) -> Result<String, FieldError> {
    let text = text.trim();
    let length = text.chars().count();
    if length > max {
        let message = format!("This must hold at most {max} characters; it holds {length}.");
        return Err(FieldError::new(field, "too-long", message));
    }
    no_controls(field, text, lines)?;
    Ok(text.to_owned())
}

fn no_controls(field: &str, text: &str, lines: Lines) -> Result<(), FieldError> {
    // Of the bytes of UTF-8 only these can be of a control character. Most texts hold none, and are looked through at once.
    let breaks = |byte: u8| lines == Lines::Many && matches!(byte, b'\n' | b'\t');
    let suspicious = |byte: u8| (byte < 0x20 && !breaks(byte)) || matches!(byte, 0x7f | 0xc2);
    if !text.bytes().any(suspicious) {
        return Ok(());
    }
    let allowed = |c: char| !c.is_control() || (lines == Lines::Many && matches!(c, '\n' | '\t'));
    let Some((index, bad)) = text.chars().enumerate().find(|(_, c)| !allowed(*c)) else {
        return Ok(());
    };
    let but = if lines == Lines::Many { " other than line feed and tab" } else { "" };
    let message =
        format!("This must hold no control characters{but}; character {} is U+{:04X}.", index + 1, u32::from(bad));
    Err(FieldError::new(field, "control-character", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, FieldError>) -> String {
        result.unwrap_err().code.into_owned()
    }

    #[test]
    fn a_title_holds_1_to_200_characters_after_trimming() {
        assert_eq!(title("  A title\n").unwrap(), "A title");
        assert_eq!(title(&format!(" {} ", "é".repeat(200))).unwrap(), "é".repeat(200));
        assert_eq!(code(title(&"é".repeat(201))), "too-long");
        assert_eq!(code(title("")), "required");
        assert_eq!(code(title(" \t\n ")), "required");
    }

    #[test]
    fn a_comment_holds_1_to_10_000_characters_after_trimming_and_may_have_lines() {
        assert_eq!(comment("  So *true*\n\n\tIndeed\n").unwrap(), "So *true*\n\n\tIndeed");
        assert_eq!(comment(&format!(" {} ", "é".repeat(10_000))).unwrap(), "é".repeat(10_000));
        assert_eq!(code(comment(&"é".repeat(10_001))), "too-long");
        for blank in ["", " \n\t "] {
            assert_eq!(code(comment(blank)), "required");
        }
        assert_eq!(code(comment("a\u{0}b")), "control-character");
        assert_eq!(code(comment("a\r\nb")), "control-character");
    }

    #[test]
    fn a_title_is_one_line_without_control_characters() {
        for bad in ["a\nb", "a\tb", "a\u{0}b", "a\u{7f}b", "a\u{9b}b", "a\rb"] {
            assert_eq!(code(title(bad)), "control-character", "{bad:?}");
        }
        assert_eq!(
            title("ab\u{7}").unwrap_err().message,
            "This must hold no control characters; character 3 is U+0007."
        );
    }

    #[test]
    fn content_holds_1_byte_to_1_mebibyte() {
        assert_eq!(content(" ".into()).unwrap(), " ");
        assert_eq!(content("x".repeat(CONTENT_MAX)).unwrap().len(), CONTENT_MAX);
        assert_eq!(code(content("x".repeat(CONTENT_MAX + 1))), "too-long");
        assert_eq!(code(content("é".repeat(CONTENT_MAX / 2 + 1))), "too-long");
        assert_eq!(code(content(String::new())), "required");
    }

    #[test]
    fn content_takes_line_feeds_and_tabs_but_no_other_control_character() {
        let text = "# Head\n\n\tcode <script>alert(1)</script>\n";
        assert_eq!(content(text.into()).unwrap(), text);
        for bad in ["a\r\nb", "a\u{0}b", "a\u{1b}[31mb", "a\u{85}b"] {
            assert_eq!(code(content(bad.into())), "control-character", "{bad:?}");
        }
    }

    #[test]
    fn an_excerpt_holds_up_to_500_characters_and_blank_is_none() {
        assert_eq!(excerpt(" two\nlines ").unwrap(), "two\nlines");
        assert_eq!(excerpt("  ").unwrap(), "");
        assert_eq!(excerpt(&"é".repeat(500)).unwrap().chars().count(), 500);
        assert_eq!(code(excerpt(&"é".repeat(501))), "too-long");
        assert_eq!(code(excerpt("a\u{8}")), "control-character");
    }

    #[test]
    fn a_category_is_one_line_of_up_to_50_characters_and_blank_is_none() {
        assert_eq!(category(" History ").unwrap(), "History");
        assert_eq!(category("").unwrap(), "");
        assert_eq!(code(category(&"x".repeat(51))), "too-long");
        assert_eq!(code(category("a\nb")), "control-character");
    }

    #[test]
    fn there_are_at_most_20_tags_of_1_to_50_characters() {
        let many: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(tags(&many).unwrap(), many);
        let huge = vec!["\u{0}".to_owned(); 10_000];
        let errors = tags(&huge).unwrap_err();
        assert_eq!(errors.len(), 1, "ten thousand tags are one error");
        assert_eq!(errors[0].code, "too-many");
        assert!(tags(&["x".repeat(50)]).is_ok());
    }

    #[test]
    fn every_bad_tag_is_named_by_its_place() {
        let bad = ["good".into(), " ".into(), "x".repeat(51), "a\nb".into()];
        let found: Vec<_> = tags(&bad).unwrap_err().into_iter().map(|e| (e.field, e.code)).collect();
        let expected = [("tags[1]", "required"), ("tags[2]", "too-long"), ("tags[3]", "control-character")];
        assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code.into())));
    }

    #[test]
    fn a_tag_that_stands_twice_is_kept_once() {
        let given = ["b", " a ", "b", "a", "A"].map(str::to_owned);
        assert_eq!(tags(&given).unwrap(), ["b", "a", "A"]);
    }

    #[test]
    fn media_are_at_most_50_ids_each_kept_once() {
        let ids: Vec<_> = (0..50).map(Uuid::from_u128).collect();
        assert_eq!(media(&ids).unwrap(), ids);
        let ids: Vec<_> = (0..51).map(Uuid::from_u128).collect();
        assert_eq!(code(media(&ids)), "too-many");
        assert_eq!(media(&[Uuid::nil(), Uuid::nil()]).unwrap(), [Uuid::nil()]);
    }

    #[test]
    fn times_are_in_the_years_1_to_9999_and_cut_to_the_millisecond() {
        let parse = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(time("at", parse("1790-01-01T00:00:00.123456Z")).unwrap(), parse("1790-01-01T00:00:00.123Z"));
        assert!(time("at", parse("0001-01-01T00:00:00Z")).is_ok());
        assert!(time("at", parse("9999-12-31T23:59:59.999Z")).is_ok());
        assert_eq!(code(time("at", parse("0000-12-31T23:59:59Z"))), "out-of-range");
        assert_eq!(code(time("at", parse("9999-12-31T23:59:59-01:00"))), "out-of-range");
    }

    #[test]
    fn a_chosen_slug_is_3_to_80_characters_of_words_with_single_hyphens_between_them() {
        for good in ["abc", "on-light", "1984", "a-b", "top-10", &"x".repeat(80), "light-2026", "the-decade"] {
            assert_eq!(slug(good).unwrap(), good);
        }
        assert_eq!(code(slug(&"x".repeat(81))), "too-long");
        for short in ["", "a", "ab"] {
            assert_eq!(code(slug(short)), "too-short", "{short:?}");
        }
        for bad in
            ["On-light", "on light", "on_light", "-light", "light-", "on--light", "---", "für-uns", "a/b", " abc"]
        {
            assert_eq!(code(slug(bad)), "format", "{bad:?}");
        }
    }

    #[test]
    fn a_chosen_slug_is_neither_shaped_like_an_id_nor_like_a_slug_that_is_made_of_title_and_id() {
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_dead_beef);
        for bad in [&id.to_string(), &id.simple().to_string(), "on-light-deadbeef", "deadbeef", "report-20260304"] {
            assert_eq!(code(slug(bad)), "reserved", "{bad:?}");
        }
        for good in ["on-light-deadbee", "on-light-deadbeeff", "on-light-deadbeeg", "deadbeef-light"] {
            assert!(slug(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_name_is_one_line_of_1_to_100_characters() {
        assert_eq!(name(" Ada Lovelace ").unwrap(), "Ada Lovelace");
        assert_eq!(code(name("")), "required");
        assert_eq!(code(name(&"x".repeat(101))), "too-long");
        assert_eq!(code(name("A\u{0}")), "control-character");
    }
}
