//! `page`, `limit` and `cursor`, as all lists take them.

use serde_json::Value;
use service::params::{FromParams, Params};

use crate::cursor::Cursor;

/// A page of a list; page x limit never passes [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Counted from 1.
    pub number: u32,
    pub limit: u32,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    Page(Page),
    /// After that place; from the beginning if there is none.
    Cursor(Option<Cursor>),
}

/// How deep pages reach: page x limit. Cursors reach everything.
pub const MAX_DEPTH: u32 = 10_000;

const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 10;

impl Page {
    /// How many items come before it.
    pub fn skip(self) -> u64 {
        u64::from(self.number - 1) * u64::from(self.limit)
    }

    /// How many pages so many items fill.
    pub fn count(self, total: u64) -> u64 {
        total.div_ceil(u64::from(self.limit))
    }
}

impl FromParams for Page {
    fn from_params(params: &mut Params) -> Option<Self> {
        let text = params.opt_string("page");
        let limit = limit(params);
        page(params, text.as_deref(), limit)
    }
}

/// How many items a page has.
pub fn limit(params: &mut Params) -> u32 {
    let limit = params.opt_integer("limit", 1..=u64::from(MAX_LIMIT));
    limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT)
}

/// A page, or a place in the list that `list` names.
pub fn paging(params: &mut Params, limit: u32, list: &Value) -> Option<Paging> {
    match (params.opt_string("cursor"), params.opt_string("page")) {
        (Some(_), Some(_)) => {
            params.refuse("cursor", "conflict", "This cannot be used together with page; send one of the two.");
            None
        }
        (Some(text), None) if text.is_empty() => Some(Paging::Cursor(None)),
        (Some(text), None) => match Cursor::decode(&text, list) {
            Ok(cursor) => Some(Paging::Cursor(Some(cursor))),
            Err(error) => {
                params.refuse("cursor", "cursor", error.to_string());
                None
            }
        },
        (None, text) => page(params, text.as_deref(), limit).map(Paging::Page),
    }
}

/// The page with the number in `text`, the first without.
fn page(params: &mut Params, text: Option<&str>, limit: u32) -> Option<Page> {
    let Some(text) = text else {
        return Some(Page { number: 1, limit });
    };
    // Digits only: `parse` alone would take a sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = match text.parse() {
        Ok(0) => 0,
        Ok(number) if digits => number,
        // Too long for a number is too deep as well.
        Err(_) if digits => u64::MAX,
        _ => 0,
    };
    if number == 0 {
        params.refuse("page", "range", "This must be a whole number from 1 on.");
        return None;
    }
    match number.checked_mul(u64::from(limit)) {
        Some(depth) if depth <= u64::from(MAX_DEPTH) => Some(Page { number: u32::try_from(number).ok()?, limit }),
        _ => {
            let message = format!("page x limit must not be above {MAX_DEPTH}; use cursor to go deeper.");
            params.refuse("page", "too-deep", message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::problem::Problem;

    fn parse(query: &str) -> Result<Page, Problem> {
        let mut params = Params::of(query);
        let built = Page::from_params(&mut params);
        params.finish_with(built)
    }

    fn refused(query: &str) -> Vec<String> {
        parse(query).unwrap_err().field_errors().iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn page_times_limit_reaches_ten_thousand_and_no_further() {
        assert_eq!(parse("page=100&limit=100").unwrap(), Page { number: 100, limit: 100 });
        assert_eq!(parse("page=1000").unwrap().skip(), 9_990);
        assert_eq!(refused("page=101&limit=100"), ["page"]);
        assert_eq!(refused("page=1001"), ["page"]);
        assert_eq!(refused("page=99999999999999999999999"), ["page"]);
    }

    #[test]
    fn only_whole_numbers_in_their_bounds_are_taken() {
        for bad in ["-1", "%2B1", "1.0", "", "%201", "one", "0", "00"] {
            assert_eq!(refused(&format!("page={bad}")), ["page"], "{bad}");
            assert_eq!(refused(&format!("limit={bad}")), ["limit"], "{bad}");
        }
        assert_eq!(refused("limit=101"), ["limit"]);
        assert_eq!(refused("page=0&limit=0&cursor="), ["limit", "page", "cursor"]);
    }

    #[test]
    fn the_last_page_may_be_short() {
        let page = Page { number: 1, limit: 10 };
        assert_eq!((page.count(0), page.count(10), page.count(11)), (0, 1, 2));
    }
}
