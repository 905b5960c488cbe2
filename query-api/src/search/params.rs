use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::params::{FromParams, Params};

use super::words::Words;
use crate::cursor::{seal, unseal};
use crate::page::limit;
use crate::posts::list::params::Filters;

/// What a client searches for, valid in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchParams {
    pub words: Words,
    pub filters: Filters,
    pub century: Option<i32>,
    pub order: Order,
    pub limit: u32,
    pub after: Option<After>,
}

/// Where a client goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// The sort values of the last hit that it has seen.
    pub sort: Value,
    pub spelling: Spelling,
}

/// Which words count as those that were typed, in whichever form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spelling {
    AsTyped,
    /// Also those that differ by a letter or two.
    Similar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub by: SortBy,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    Relevance,
    PublishedAt,
    CreatedAt,
    UpdatedAt,
    Title,
}

/// What a person has typed so far.
#[derive(Clone, Debug, PartialEq)]
pub struct SuggestParams {
    pub typed: String,
    pub limit: u32,
}

const MAX_CHARS: usize = 500;
const MAX_SUGGESTIONS: u64 = 20;
const DEFAULT_SUGGESTIONS: u32 = 5;

impl SortBy {
    const ALL: [SortBy; 5] =
        [SortBy::Relevance, SortBy::PublishedAt, SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Title];

    pub fn as_str(self) -> &'static str {
        match self {
            SortBy::Relevance => "relevance",
            SortBy::PublishedAt => "publishedAt",
            SortBy::CreatedAt => "createdAt",
            SortBy::UpdatedAt => "updatedAt",
            SortBy::Title => "title",
        }
    }
}

impl FromParams for SearchParams {
    fn from_params(params: &mut Params) -> Option<Self> {
        let typed = typed(params);
        let words = typed.as_deref().and_then(Words::of);
        if typed.is_some() && words.is_none() {
            params.refuse("q", "empty", "There is no word in this; give at least one letter or digit.");
        }
        let filters = Filters::from(&mut *params);
        let century = params.opt_integer("century", 1..=99).and_then(|century| i32::try_from(century).ok());
        let by = params.opt_choice("sortBy", &SortBy::ALL.map(|by| (by.as_str(), by))).unwrap_or(SortBy::Relevance);
        let descending = params.opt_choice("sortOrder", &[("asc", false), ("desc", true)]).unwrap_or(true);
        if by == SortBy::Relevance && !descending {
            params.refuse(
                "sortOrder",
                "conflict",
                "The best hit always comes first; choose another sortBy, or leave this out.",
            );
        }
        let limit = limit(params);
        let cursor = params.opt_string("cursor").filter(|text| !text.is_empty());
        let mut search = Self { words: words?, filters, century, order: Order { by, descending }, limit, after: None };
        if let Some(text) = cursor {
            match unseal(&text, &search.list()) {
                Ok(after) => search.after = Some(after),
                Err(error) => {
                    params.refuse("cursor", "cursor", error.to_string());
                    return None;
                }
            }
        }
        Some(search)
    }
}

impl SearchParams {
    /// The cursor to a place.
    pub fn cursor(&self, after: &After) -> String {
        seal(after, &self.list())
    }

    /// Names the list for its cursors.
    fn list(&self) -> Value {
        json!([
            "search",
            self.words.loose,
            self.words.phrases,
            self.filters.names(),
            self.century,
            self.order.by.as_str(),
            self.order.descending,
        ])
    }
}

impl FromParams for SuggestParams {
    fn from_params(params: &mut Params) -> Option<Self> {
        let typed = typed(params);
        let limit = params.opt_integer("limit", 1..=MAX_SUGGESTIONS).and_then(|limit| u32::try_from(limit).ok());
        Some(Self { typed: typed?, limit: limit.unwrap_or(DEFAULT_SUGGESTIONS) })
    }
}

fn typed(params: &mut Params) -> Option<String> {
    let Some(typed) = params.opt_string("q") else {
        params.refuse("q", "missing", "Say what to search for.");
        return None;
    };
    if typed.chars().count() > MAX_CHARS {
        params.refuse("q", "too-long", format!("This must be at most {MAX_CHARS} characters long."));
        return None;
    }
    Some(typed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::problem::Problem;

    fn parse(query: &str) -> Result<SearchParams, Problem> {
        let mut params = Params::of(query);
        let built = SearchParams::from_params(&mut params);
        params.finish_with(built)
    }

    fn refused(query: &str) -> Vec<String> {
        let mut named: Vec<_> =
            parse(query).unwrap_err().field_errors().iter().map(|error| error.field.clone()).collect();
        named.sort();
        named
    }

    #[test]
    fn every_bad_parameter_is_named() {
        assert_eq!(refused(""), ["q"]);
        assert_eq!(refused("q=%3F%21"), ["q"]);
        assert_eq!(refused(&format!("q={}", "x".repeat(501))), ["q"]);
        assert_eq!(refused("q=x&sortBy=likes&limit=0&century=0&page=2"), ["century", "limit", "page", "sortBy"]);
        assert_eq!(refused("q=x&sortOrder=asc"), ["sortOrder"]);
        assert_eq!(refused("q=x&from=2000-01-02&to=2000-01-01&author=me"), ["author", "from"]);
    }

    #[test]
    fn a_cursor_goes_on_in_its_own_search_alone() {
        let after = After { sort: json!([1.25, "id"]), spelling: Spelling::Similar };
        let cursor = parse("q=war").unwrap().cursor(&after);
        assert_eq!(parse(&format!("q=war&cursor={cursor}")).unwrap().after, Some(after));
        assert_eq!(parse("q=war&cursor=").unwrap().after, None);
        for other in ["q=peace", "q=war&tag=x", "q=war&century=18", "q=war&sortBy=title"] {
            assert_eq!(refused(&format!("{other}&cursor={cursor}")), ["cursor"], "{other}");
        }
    }
}
