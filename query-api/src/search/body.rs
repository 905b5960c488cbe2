//! A search as Elasticsearch is asked: pure.
//!
//! Words are looked for over all fields together, as if a post were one text in which its title counts most (BM25F, by
//! Elasticsearch's `combined_fields`): a word in the title and another in the text are both found. Where posts may have words that differ by
//! a letter or two instead, they follow far behind. Nothing of what a person types is read as a query language.

use serde_json::{Value, json};

use super::filter::{filters, published};
use super::params::{Order, SearchParams, SortBy, Spelling, SuggestParams};
use super::words::Words;
use crate::store::QUERY_LIMIT;
use crate::viewer::Viewer;

/// Of three words and more, one in four may be missing.
const ENOUGH_WORDS: &str = "2<-25%";
const FACET_VALUES: u32 = 20;
const FRAGMENTS: u32 = 3;
const FRAGMENT_CHARS: u32 = 180;
/// What a search does not give back: the text itself, which may be a mebibyte.
const LEFT_OUT: [&str; 1] = ["text"];

/// The body of a search.
pub fn search(params: &SearchParams, viewer: Viewer, spelling: Spelling) -> Value {
    let mut body = json!({
        "query": { "bool": {
            "must": wanted(&params.words, spelling),
            "should": better(&params.words),
            "filter": filters(params, viewer),
        } },
        "size": params.limit,
        "sort": sort(params.order),
        "timeout": format!("{}ms", QUERY_LIMIT.as_millis()),
        "track_total_hits": true,
        "_source": { "excludes": LEFT_OUT },
        "highlight": {
            "encoder": "html",
            "pre_tags": ["<mark>"],
            "post_tags": ["</mark>"],
            "require_field_match": false,
            "fields": {
                "title": { "number_of_fragments": 0 },
                "excerpt": { "number_of_fragments": 0 },
                "text": { "number_of_fragments": FRAGMENTS, "fragment_size": FRAGMENT_CHARS },
            },
        },
        "aggs": {
            "authors": { "terms": { "field": "authorId", "size": FACET_VALUES } },
            "tags": { "terms": { "field": "tags", "size": FACET_VALUES } },
            "centuries": { "terms": { "field": "century", "size": FACET_VALUES, "order": { "_key": "asc" } } },
            "types": { "terms": { "field": "type", "size": FACET_VALUES } },
        },
    });
    if let Some(after) = &params.after {
        body["search_after"] = after.sort.clone();
        // They were given with the first hits, and are the same.
        body["aggs"] = json!({});
    }
    body
}

/// The body of a search for titles that begin so.
pub fn suggest(params: &SuggestParams) -> Value {
    json!({
        "query": { "bool": {
            "must": { "match": { "title.suggest": { "query": params.typed, "operator": "and" } } },
            "filter": published(),
        } },
        "size": params.limit,
        "sort": ["_score", { "publishedAt": "desc" }, { "id": "asc" }],
        "timeout": format!("{}ms", QUERY_LIMIT.as_millis()),
        "track_total_hits": false,
        "_source": ["id", "title", "slug"],
    })
}

/// What a post must have to be a hit at all.
fn wanted(words: &Words, spelling: Spelling) -> Vec<Value> {
    let phrase = |phrase: &String| {
        json!({ "multi_match": {
            "query": phrase, "type": "phrase", "fields": ["title.exact^4", "excerpt.exact^2", "text.exact"],
        } })
    };
    let mut wanted: Vec<Value> = words.phrases.iter().map(phrase).collect();
    if !words.loose.is_empty() {
        let loose = &words.loose;
        let mut ways = vec![
            json!({ "combined_fields": {
                "query": loose,
                "fields": ["title^4", "tags.words^3", "excerpt^2", "text"],
                "minimum_should_match": ENOUGH_WORDS,
            } }),
            // The forms that were typed count more. Words so frequent that `english` leaves them out are found here, when there are no others.
            json!({ "match": { "text.exact": { "query": loose, "operator": "and", "boost": 0.5 } } }),
        ];
        if spelling == Spelling::Similar {
            ways.push(json!({ "multi_match": {
                "query": loose,
                "type": "best_fields",
                "fields": ["title^4", "text"],
                "fuzziness": "AUTO",
                "prefix_length": 1,
                "minimum_should_match": ENOUGH_WORDS,
                "boost": 0.1,
            } }));
        }
        wanted.push(json!({ "bool": { "minimum_should_match": 1, "should": ways } }));
    }
    wanted
}

/// What makes a hit a better one.
fn better(words: &Words) -> Vec<Value> {
    if words.loose.is_empty() {
        return Vec::new();
    }
    let loose = &words.loose;
    let mut better = vec![
        json!({ "match": { "title": { "query": loose, "boost": 3 } } }),
        json!({ "match": { "title.exact": { "query": loose, "boost": 1 } } }),
    ];
    if loose.contains(' ') {
        better.push(json!({ "match_phrase": { "title.exact": { "query": loose, "slop": 3, "boost": 4 } } }));
        better.push(json!({ "match_phrase": { "text.exact": { "query": loose, "slop": 2 } } }));
    }
    better
}

fn sort(order: Order) -> Value {
    let direction = if order.descending { "desc" } else { "asc" };
    let by = |field: &str| json!([{ field: { "order": direction, "missing": "_last" } }, { "id": direction }]);
    match order.by {
        SortBy::Relevance => json!(["_score", { "id": "asc" }]),
        SortBy::PublishedAt | SortBy::CreatedAt | SortBy::UpdatedAt => by(order.by.as_str()),
        SortBy::Title => by("title.sort"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::params::After;
    use service::params::{FromParams, Params};
    use uuid::Uuid;

    fn params(query: &str) -> SearchParams {
        SearchParams::from_params(&mut Params::of(query)).unwrap()
    }

    fn filter(query: &str, viewer: Viewer) -> String {
        search(&params(query), viewer, Spelling::Similar)["query"]["bool"]["filter"].to_string()
    }

    #[test]
    fn nobody_finds_what_they_may_not_see() {
        let (own, published) = (Uuid::from_u128(7), r#"{"term":{"status":"published"}}"#);
        assert!(filter("q=x&status=draft,deleted", Viewer::Public).contains(published));
        let author = filter("q=x&status=draft", Viewer::Author(own));
        assert!(author.contains(published) && author.contains(&own.to_string()), "{author}");
        assert_eq!(filter("q=x", Viewer::Editor), r#"[{"terms":{"status":["published"]}}]"#);
    }

    #[test]
    fn what_is_typed_stands_in_the_body_as_text_alone() {
        let typed = r#"title:x AND (y OR "z w") ~ * ? \ /r/ {"match_all":{}}"#;
        let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("q", typed).finish();
        let body = search(&params(&query), Viewer::Public, Spelling::Similar).to_string();
        assert!(!body.contains("query_string") && !body.contains("regexp") && !body.contains("script"));
    }

    #[test]
    fn facets_are_counted_once_and_not_for_every_stretch() {
        let first = params("q=war");
        assert!(search(&first, Viewer::Public, Spelling::AsTyped)["aggs"]["tags"].is_object());
        let after = After { sort: json!([1.0, "x"]), spelling: Spelling::AsTyped };
        let next = SearchParams { after: Some(after), ..first };
        let body = search(&next, Viewer::Public, Spelling::AsTyped);
        assert_eq!((&body["aggs"], &body["search_after"]), (&json!({}), &json!([1.0, "x"])));
    }
}
