//! The query parameters of a list, read from text. Every bad one is named, not only the first.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use read_model::{PostStatus, PostType};
use service::problem::FieldError;
use uuid::Uuid;

use super::cursor::Cursor;
use crate::path;

/// What a client asks of a list, valid in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ListParams {
    pub filters: Filters,
    pub order: Order,
    pub limit: u32,
    pub paging: Paging,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filters {
    pub author: Option<Uuid>,
    pub tag: Option<String>,
    pub post_type: Option<PostType>,
    /// Sorted and without repetition; published alone unless asked otherwise.
    pub statuses: Vec<PostStatus>,
    /// Bounds of `publishedAt`, both inclusive.
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub by: SortBy,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    CreatedAt,
    UpdatedAt,
    PublishedAt,
    Title,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    /// Counted from 1.
    Page(u32),
    /// After that place; from the beginning if there is none.
    Cursor(Option<Cursor>),
}

pub const MAX_LIMIT: u32 = 100;
pub const DEFAULT_LIMIT: u32 = 10;
/// How deep pages reach: page x limit. Cursors reach everything.
pub const MAX_DEPTH: u32 = 10_000;

const MAX_TAG_CHARS: usize = 50;

const LIST: &[&str] =
    &["author", "tag", "type", "status", "from", "to", "page", "limit", "cursor", "sortBy", "sortOrder"];
const PAGES: &[&str] = &["page", "limit"];

impl SortBy {
    const ALL: [SortBy; 4] = [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::PublishedAt, SortBy::Title];

    /// The name of the parameter's value and of the field in the store.
    pub fn field(self) -> &'static str {
        match self {
            SortBy::CreatedAt => "createdAt",
            SortBy::UpdatedAt => "updatedAt",
            SortBy::PublishedAt => "publishedAt",
            SortBy::Title => "title",
        }
    }
}

/// Reads the parameters of a list, or says everything that is wrong with them.
pub fn parse_list(pairs: &[(String, String)]) -> Result<ListParams, Vec<FieldError>> {
    let mut given = Given::new(pairs, LIST);
    let filters = filters(&mut given);
    let order = order(&mut given);
    let limit = limit(&mut given);
    let paging = match (given.text("cursor"), given.text("page")) {
        (Some(_), Some(_)) => {
            given.refuse("cursor", "conflict", "cursor and page cannot be used together; send one of them".into());
            Paging::Cursor(None)
        }
        (Some(""), None) => Paging::Cursor(None),
        (Some(text), None) => match Cursor::decode(text, order, &filters) {
            Ok(cursor) => Paging::Cursor(Some(cursor)),
            Err(error) => {
                given.refuse("cursor", "invalid", error.to_string());
                Paging::Cursor(None)
            }
        },
        (None, _) => Paging::Page(page(&mut given, limit)),
    };
    given.finish()?;
    Ok(ListParams { filters, order, limit, paging })
}

/// Reads `page` and `limit` where nothing else is taken.
pub fn parse_pages(pairs: &[(String, String)]) -> Result<(u32, u32), Vec<FieldError>> {
    let mut given = Given::new(pairs, PAGES);
    let limit = limit(&mut given);
    let page = page(&mut given, limit);
    given.finish()?;
    Ok((page, limit))
}

/// Where no parameter is taken at all.
pub fn parse_none(pairs: &[(String, String)]) -> Result<(), Vec<FieldError>> {
    Given::new(pairs, &[]).finish()
}

fn filters(given: &mut Given) -> Filters {
    let author = given.text("author").and_then(|text| {
        given.expect("author", path::id(text), || "must be the id of a person: a UUID with hyphens".into())
    });
    let tag = given.text("tag").and_then(|text| {
        let tag = Some(text.to_owned()).filter(|tag| (1..=MAX_TAG_CHARS).contains(&tag.chars().count()));
        given.expect("tag", tag, || format!("must have 1 to {MAX_TAG_CHARS} characters"))
    });
    let post_type = given.text("type").and_then(|text| {
        given.expect("type", PostType::parse(text), || one_of(PostType::ALL.map(PostType::as_str)))
    });
    let statuses = given.text("status").and_then(|text| {
        let statuses: Option<Vec<_>> = text.split(',').map(PostStatus::parse).collect();
        given.expect("status", statuses, || {
            format!("{}, or several of them with commas between", one_of(PostStatus::ALL.map(PostStatus::as_str)))
        })
    });
    let mut statuses = statuses.unwrap_or_else(|| vec![PostStatus::Published]);
    statuses.sort();
    statuses.dedup();
    let from = bound(given, "from", Bound::From);
    let to = bound(given, "to", Bound::To);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        given.refuse("from", "range", "must not be later than to".into());
    }
    Filters { author, tag, post_type, statuses, from, to }
}

/// The newest publication first, unless asked otherwise; what was never published comes after it, the newest first.
fn order(given: &mut Given) -> Order {
    let by = given.text("sortBy").and_then(|text| {
        let by = SortBy::ALL.into_iter().find(|by| by.field() == text);
        given.expect("sortBy", by, || one_of(SortBy::ALL.map(SortBy::field)))
    });
    let descending = given.text("sortOrder").and_then(|text| {
        let descending = match text {
            "asc" => Some(false),
            "desc" => Some(true),
            _ => None,
        };
        given.expect("sortOrder", descending, || one_of(["asc", "desc"]))
    });
    Order { by: by.unwrap_or(SortBy::PublishedAt), descending: descending.unwrap_or(true) }
}

fn limit(given: &mut Given) -> u32 {
    let limit = given.text("limit").and_then(|text| {
        let limit = number(text).filter(|limit| (1..=MAX_LIMIT).contains(limit));
        given.expect("limit", limit, || format!("must be a whole number from 1 to {MAX_LIMIT}"))
    });
    limit.unwrap_or(DEFAULT_LIMIT)
}

fn page(given: &mut Given, limit: u32) -> u32 {
    let page = given.text("page").and_then(|text| {
        let page = number(text).filter(|page| *page >= 1);
        let page = given.expect("page", page, || "must be a whole number from 1 on".into())?;
        let reached = page.checked_mul(limit).filter(|depth| *depth <= MAX_DEPTH).map(|_| page);
        given.expect("page", reached, || {
            format!("page x limit must not be above {MAX_DEPTH}; use a cursor to go deeper")
        })
    });
    page.unwrap_or(1)
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[derive(Clone, Copy)]
enum Bound {
    From,
    To,
}

/// A time, or a day that is taken whole on either end.
fn bound(given: &mut Given, name: &'static str, end: Bound) -> Option<DateTime<Utc>> {
    let text = given.text(name)?;
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    let time = time.or_else(|| {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        let midnight = |day: NaiveDate| Some(day.and_hms_opt(0, 0, 0)?.and_utc());
        match end {
            Bound::From => midnight(day),
            Bound::To => midnight(day.checked_add_days(Days::new(1))?)?.checked_sub_signed(TimeDelta::milliseconds(1)),
        }
    });
    given.expect(name, time, || {
        "must be a time such as 1790-01-08T12:00:00Z or a day such as 1790-01-08".into()
    })
}

fn one_of<const N: usize>(names: [&str; N]) -> String {
    format!("must be one of {}", names.join(", "))
}

/// The parameters as they came, and what was found wrong with them so far.
struct Given<'a> {
    pairs: &'a [(String, String)],
    errors: Vec<FieldError>,
}

impl<'a> Given<'a> {
    fn new(pairs: &'a [(String, String)], known: &[&str]) -> Self {
        let mut given = Self { pairs, errors: Vec::new() };
        for (index, (name, _)) in pairs.iter().enumerate() {
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                continue;
            }
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") };
                given.refuse(name, "unknown", format!("is not known here; taken are {known}"));
            } else if pairs.iter().filter(|(other, _)| other == name).count() > 1 {
                given.refuse(name, "repeated", "may be given only once".into());
            }
        }
        given
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn expect<T>(&mut self, name: &str, value: Option<T>, message: impl FnOnce() -> String) -> Option<T> {
        if value.is_none() {
            self.refuse(name, "invalid", message());
        }
        value
    }

    fn refuse(&mut self, name: &str, code: &'static str, message: String) {
        self.errors.push(FieldError::new(name, code, message));
    }

    fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn parse(query: &[(&str, &str)]) -> Result<ListParams, Vec<FieldError>> {
        parse_list(&pairs(query))
    }

    fn refused(query: &[(&str, &str)]) -> Vec<String> {
        parse(query).unwrap_err().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn nothing_asked_is_the_first_page_of_published_posts_newest_first() {
        let params = parse(&[]).unwrap();
        assert_eq!(params.paging, Paging::Page(1));
        assert_eq!(params.limit, 10);
        assert_eq!(params.filters.statuses, [PostStatus::Published]);
        assert_eq!(params.order, Order { by: SortBy::PublishedAt, descending: true });
    }

    #[test]
    fn every_bad_parameter_is_named() {
        let refused = refused(&[
            ("author", "me"),
            ("tag", ""),
            ("type", "poem"),
            ("status", "draft,hidden"),
            ("from", "yesterday"),
            ("to", "1790-13-01"),
            ("page", "0"),
            ("limit", "101"),
            ("sortBy", "likes"),
            ("sortOrder", "up"),
            ("colour", "red"),
            ("x", ""),
        ]);
        let mut expected = vec![
            "colour", "x", "author", "tag", "type", "status", "from", "to", "sortBy", "sortOrder", "limit", "page",
        ];
        assert_eq!(refused.len(), expected.len());
        expected.retain(|name| !refused.contains(&(*name).to_owned()));
        assert!(expected.is_empty(), "not named: {expected:?}");
    }

    #[test]
    fn a_parameter_given_twice_is_refused_once() {
        assert_eq!(refused(&[("tag", "a"), ("tag", "b"), ("tag", "c")]), ["tag"]);
        assert_eq!(refused(&[("colour", "a"), ("colour", "b")]), ["colour"]);
    }

    #[test]
    fn page_times_limit_reaches_ten_thousand_and_no_further() {
        assert_eq!(parse(&[("page", "100"), ("limit", "100")]).unwrap().paging, Paging::Page(100));
        assert_eq!(refused(&[("page", "101"), ("limit", "100")]), ["page"]);
        assert_eq!(refused(&[("page", "1001")]), ["page"]);
        assert_eq!(refused(&[("page", "4294967295"), ("limit", "100")]), ["page"]);
        for bad in ["-1", "+1", "1.0", "", " 1", "99999999999", "one"] {
            assert_eq!(refused(&[("page", bad)]), ["page"], "{bad}");
            assert_eq!(refused(&[("limit", bad)]), ["limit"], "{bad}");
        }
    }

    #[test]
    fn an_empty_cursor_begins_and_one_beside_a_page_is_refused() {
        assert_eq!(parse(&[("cursor", "")]).unwrap().paging, Paging::Cursor(None));
        assert_eq!(refused(&[("cursor", ""), ("page", "1")]), ["cursor"]);
        assert_eq!(refused(&[("cursor", "nonsense")]), ["cursor"]);
    }

    #[test]
    fn days_are_taken_whole_and_times_exactly() {
        let filters = parse(&[("from", "1790-01-08"), ("to", "1790-01-08")]).unwrap().filters;
        assert_eq!(filters.from.unwrap().to_rfc3339(), "1790-01-08T00:00:00+00:00");
        assert_eq!(filters.to.unwrap().to_rfc3339(), "1790-01-08T23:59:59.999+00:00");
        let filters = parse(&[("to", "1790-01-08T12:00:00+02:00")]).unwrap().filters;
        assert_eq!(filters.to.unwrap().to_rfc3339(), "1790-01-08T10:00:00+00:00");
        assert_eq!(refused(&[("from", "1791-01-01"), ("to", "1790-01-01")]), ["from"]);
    }

    #[test]
    fn several_statuses_may_be_asked_for_in_any_order() {
        let statuses = |text| parse(&[("status", text)]).unwrap().filters.statuses;
        assert_eq!(statuses("published,draft,published"), [PostStatus::Draft, PostStatus::Published]);
        assert_eq!(refused(&[("status", "")]), ["status"]);
    }

    #[test]
    fn a_history_takes_page_and_limit_only() {
        assert_eq!(parse_pages(&pairs(&[("page", "2"), ("limit", "5")])), Ok((2, 5)));
        let errors = parse_pages(&pairs(&[("cursor", ""), ("limit", "0")])).unwrap_err();
        let names: Vec<_> = errors.into_iter().map(|error| error.field).collect();
        assert_eq!(names, ["cursor", "limit"]);
    }

    #[test]
    fn where_nothing_is_taken_every_parameter_is_named() {
        assert_eq!(parse_none(&[]), Ok(()));
        assert_eq!(parse_none(&pairs(&[("a", "1"), ("b", "2")])).unwrap_err().len(), 2);
    }
}
