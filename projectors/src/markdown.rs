//! Markdown as safe HTML.
//!
//! What comes out can stand in a page as it is: it has neither script nor style nor event handlers, and links lead to
//! web, mail and the like only. Hostile input costs no more than ordinary input of its length: the HTML sanitizer is
//! quadratic in the depth of nesting and in ampersands within one run of text, so both are bounded before it sees anything,
//! and so is the length of the output.

use std::fmt;

use pulldown_cmark::{CowStr, Event, Options, Parser, TagEnd, html};

/// Tables, strikethrough and task lists.
const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS);
/// Deeper blocks and emphasis lose their markup and keep their text.
const MAX_DEPTH: usize = 32;
/// Raw HTML with more tags than this is shown as text from there on. Raw tags can nest and are not seen by the depth
/// bound, so their number is what bounds them.
const MAX_RAW_TAGS: usize = 1_000;
/// Bytes of a run of text times its ampersands, summed up: the sanitizer looks through the rest of the run after each of them.
const MAX_SCANNED: usize = 1_000_000_000;
/// In bytes. Longer output than this does not come of honest Markdown of a mebibyte; the source is shown instead.
const MAX_HTML: usize = 6 << 20;

/// Renders Markdown.
pub fn render(markdown: &str) -> String {
    render_within(MAX_HTML, markdown)
}

/// The words of a Markdown text without its markup, a line for each block.
pub fn plain(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    for event in Parser::new_ext(markdown, OPTIONS) {
        match event {
            Event::Text(piece) | Event::Code(piece) => text.push_str(&piece),
            Event::SoftBreak => text.push(' '),
            Event::HardBreak | Event::Rule => text.push('\n'),
            Event::End(end) if is_block(end) && !text.is_empty() && !text.ends_with('\n') => text.push('\n'),
            _ => {}
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn is_block(end: TagEnd) -> bool {
    !matches!(
        end,
        TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::Superscript
            | TagEnd::Subscript
    )
}

fn render_within(max_html: usize, markdown: &str) -> String {
    let events = Bounded::new(Parser::new_ext(markdown, OPTIONS));
    let mut raw = Limited { text: String::with_capacity(markdown.len() * 5 / 4), max: max_html };
    if html::write_html_fmt(&mut raw, events).is_err() || scanned(&raw.text) > MAX_SCANNED {
        return as_source(markdown);
    }
    let html = ammonia::clean(&raw.text);
    if html.len() > max_html { as_source(markdown) } else { html }
}

/// What the sanitizer has to look through when it writes these texts out.
fn scanned(raw: &str) -> usize {
    raw.split('<').map(|run| run.len() * run.split('&').skip(1).filter(|rest| !ends_scan(rest)).count()).sum()
}

/// Whether what follows an ampersand makes it stand for a character that ends the sanitizer's look, or needs none.
fn ends_scan(rest: &str) -> bool {
    ["lt;", "gt;", "quot;"].iter().any(|name| rest.starts_with(name))
}

/// The source itself, as preformatted text.
fn as_source(markdown: &str) -> String {
    let mut html = String::with_capacity(markdown.len() + 16);
    html.push_str("<pre>");
    for character in markdown.chars() {
        match character {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            other => html.push(other),
        }
    }
    html.push_str("</pre>");
    html
}

/// Bounds the depth of the elements and the number of raw tags.
struct Bounded<I> {
    events: I,
    depth: usize,
    raw_tags: usize,
}

impl<I> Bounded<I> {
    fn new(events: I) -> Self {
        Self { events, depth: 0, raw_tags: 0 }
    }

    fn admits(&mut self, raw: &str) -> bool {
        self.raw_tags += raw.bytes().filter(|byte| *byte == b'<').count();
        self.raw_tags <= MAX_RAW_TAGS
    }
}

impl<'a, I: Iterator<Item = Event<'a>>> Iterator for Bounded<I> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            let event = self.events.next()?;
            match event {
                Event::Start(_) => {
                    self.depth += 1;
                    if self.depth <= MAX_DEPTH {
                        return Some(event);
                    }
                }
                Event::End(_) => {
                    self.depth -= 1;
                    if self.depth < MAX_DEPTH {
                        return Some(event);
                    }
                }
                Event::Html(raw) | Event::InlineHtml(raw) if !self.admits(&raw) => {
                    return Some(text(raw));
                }
                other => return Some(other),
            }
        }
    }
}

fn text(raw: CowStr<'_>) -> Event<'_> {
    Event::Text(raw)
}

/// A text that refuses to grow beyond a length.
struct Limited {
    text: String,
    /// In bytes.
    max: usize,
}

impl fmt::Write for Limited {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.text.len() + part.len() > self.max {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html() {
        assert_eq!(
            render("# A *b*\n\n- [x] done\n\n| a |\n|---|\n| ~~b~~ |\n"),
            "<h1>A <em>b</em></h1>\n<ul>\n<li>\ndone</li>\n</ul>\n\
             <table><thead><tr><th>a</th></tr></thead><tbody>\n<tr><td><del>b</del></td></tr>\n</tbody></table>\n"
        );
        assert_eq!(render("a <b>raw</b> <kbd>tag</kbd>"), "<p>a <b>raw</b> <kbd>tag</kbd></p>\n");
    }

    #[test]
    fn script_never_survives() {
        for hostile in [
            "<script>alert(1)</script>",
            "a <script>alert(1)</script> b",
            "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
            "<img src=x onerror=alert(1)>",
            "<svg onload=alert(1)>",
            "<svg><script>alert(1)</script></svg>",
            "<iframe src=javascript:alert(1)></iframe>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](&#106;avascript:alert(1))",
            "[x](java\tscript:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "![x](javascript:alert(1))",
            "[x]: javascript:alert(1)\n\n[x]",
            "<javascript:alert(1)>",
            "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<style>@import '//evil.example'</style>",
            "<form action=javascript:alert(1)><button>x</button></form>",
            "<scr<script>ipt>alert(1)</scr</script>ipt>",
            "<p style=\"background:url(javascript:alert(1))\">x</p>",
            "<base href=//evil.example>",
        ] {
            let html = render(hostile).to_lowercase();
            let tags: String = html
                .split('<')
                .skip(1)
                .map(|tag| tag.split('>').next().unwrap_or_default())
                .collect::<Vec<_>>()
                .join(" ");
            for forbidden in ["script", "onerror", "onload", "style", "data:", "iframe", "svg", "base", "form"] {
                assert!(!tags.contains(forbidden), "{hostile:?} gave {html:?}");
            }
        }
    }

    #[test]
    fn raw_html_beyond_the_bound_is_shown_as_text() {
        let html = render(&"<kbd>x</kbd> ".repeat(MAX_RAW_TAGS));
        assert_eq!(html.matches("<kbd>").count(), MAX_RAW_TAGS / 2);
        assert_eq!(html.matches("&lt;kbd&gt;").count(), MAX_RAW_TAGS / 2);
    }

    #[test]
    fn markup_deeper_than_the_bound_is_dropped_and_its_text_stays() {
        let html = render(&format!("{} deep", ">".repeat(100_000)));
        assert_eq!(html.matches("<blockquote>").count(), MAX_DEPTH);
        assert!(html.contains("deep"), "{html}");
        let html = render(&format!("{}x{}", "*a **b ".repeat(200), "** *".repeat(200)));
        assert!(html.matches("<em>").count() + html.matches("<strong>").count() <= 400);
    }

    #[test]
    fn output_beyond_the_bound_falls_back_to_the_source() {
        // Each link gets attributes of its own, so that it is the sanitized text that is too long.
        let links = "[a](b)".repeat(100);
        assert!(render_within(6_000, &links).starts_with("<p><a href"));
        assert!(render_within(4_000, &links).starts_with("<pre>[a](b)"));
        assert!(render_within(1_000, &links).starts_with("<pre>[a](b)"));
        let ampersands = "&".repeat(1 << 20);
        assert_eq!(render(&ampersands), format!("<pre>{}</pre>", "&amp;".repeat(1 << 20)));
        assert_eq!(as_source("<a> & b"), "<pre>&lt;a&gt; &amp; b</pre>");
    }

    #[test]
    fn any_one_thing_over_and_over_renders() {
        for part in [
            "<", ">", "*", "_", "[", "]", "(", "`", "|", "&", "\\", "#", "-", "~", "!", " ", "\n", "<b>", "<a href=",
            "&lt;", "[a](", "![", "* ", "1. ", "a_", "`a ", "> ", "- a\n", "<!--", "<?", "|a", "**a", "*_", "a & b ",
        ] {
            let content = part.repeat((1 << 16) / part.len());
            assert!(render(&content).len() <= MAX_HTML, "{part:?}");
        }
    }
}
