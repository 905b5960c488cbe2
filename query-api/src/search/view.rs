use chrono::{DateTime, Utc};
use read_model::search::SearchPost;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::people::query::Names;
use crate::posts::view::AuthorView;

/// What a search has found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchResults {
    pub data: Vec<Hit>,
    #[schema(example = 10)]
    pub limit: u32,
    /// How many posts there are in all.
    #[schema(example = 42)]
    pub total: u64,
    /// What to send as `cursor` for the next hits; null at the end.
    pub next_cursor: Option<String>,
    /// What the hits have in common, all of them and not only those shown. With the first hits alone; null behind a cursor.
    pub facets: Option<Facets>,
}

/// A post that was found, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    pub id: Uuid,
    /// article, note or link.
    #[serde(rename = "type")]
    #[schema(example = "article")]
    pub post_type: &'static str,
    #[schema(example = "Abraham Lincoln, 1861")]
    pub title: String,
    pub excerpt: Option<String>,
    #[schema(example = json!(["19th-century"]))]
    pub tags: Vec<String>,
    pub category: Option<String>,
    /// draft, scheduled, published or deleted.
    #[schema(example = "published")]
    pub status: &'static str,
    /// The name is null for somebody who is known only by a token, and when names cannot be looked up just now.
    pub author: AuthorView,
    #[schema(example = "abraham-lincoln-1861-6c1d2e3f")]
    pub slug: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[schema(example = "1861-01-01T00:00:00Z")]
    pub published_at: Option<DateTime<Utc>>,
    #[schema(example = 2)]
    pub version: u64,
    /// How well it fits; null when sorted by something else.
    #[schema(example = 12.5)]
    pub score: Option<f64>,
    pub highlights: Highlights,
}

/// Where the words were found: HTML in which everything is escaped but `<mark>` around them.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct Highlights {
    /// The whole title, if it has any of them.
    #[schema(example = json!(["<mark>Abraham</mark> <mark>Lincoln</mark>, 1861"]))]
    pub title: Vec<String>,
    pub excerpt: Vec<String>,
    /// Up to three pieces.
    pub text: Vec<String>,
}

/// The most frequent values, up to twenty of each.
#[derive(Debug, Serialize, ToSchema)]
pub struct Facets {
    pub authors: Vec<AuthorCount>,
    pub tags: Vec<ValueCount>,
    /// In order; the 18th is from 1701 to 1800.
    pub centuries: Vec<CenturyCount>,
    pub types: Vec<ValueCount>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AuthorCount {
    #[serde(flatten)]
    pub author: AuthorView,
    #[schema(example = 4)]
    pub count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ValueCount {
    #[schema(example = "19th-century")]
    pub value: String,
    #[schema(example = 40)]
    pub count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CenturyCount {
    #[schema(example = 19)]
    pub century: i64,
    #[schema(example = 40)]
    pub count: u64,
}

/// A title that begins with what was typed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Suggestion {
    pub id: Uuid,
    #[schema(example = "Abraham Lincoln, 1861")]
    pub title: String,
    #[schema(example = "abraham-lincoln-1861-6c1d2e3f")]
    pub slug: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Suggestions {
    pub data: Vec<Suggestion>,
}

/// A hit as Elasticsearch gives it.
#[derive(Debug, Deserialize)]
pub struct Found {
    #[serde(rename = "_source")]
    pub post: SearchPost,
    #[serde(rename = "_score")]
    pub score: Option<f64>,
    #[serde(default)]
    pub highlight: Highlights,
    pub sort: Value,
}

impl Hit {
    pub fn new(found: Found, names: &Names) -> Self {
        let Found { post, score, highlight, .. } = found;
        Self {
            id: post.id,
            post_type: post.post_type.as_str(),
            title: post.title,
            excerpt: post.excerpt,
            tags: post.tags,
            category: post.category,
            status: post.status.as_str(),
            author: author(post.author_id, names),
            slug: post.slug,
            created_at: post.created_at,
            updated_at: post.updated_at,
            published_at: post.published_at,
            version: post.version,
            score,
            highlights: highlight,
        }
    }
}

impl Facets {
    /// From the buckets of an answer.
    pub fn new(aggregations: &Value, names: &Names) -> Self {
        let values = |name: &str| -> Vec<ValueCount> {
            let text = |key: &Value| key.as_str().map(str::to_owned);
            buckets(aggregations, name, text).map(|(value, count)| ValueCount { value, count }).collect()
        };
        let authors = buckets(aggregations, "authors", id);
        let centuries = buckets(aggregations, "centuries", Value::as_i64);
        Self {
            authors: authors.map(|(id, count)| AuthorCount { author: author(id, names), count }).collect(),
            tags: values("tags"),
            centuries: centuries.map(|(century, count)| CenturyCount { century, count }).collect(),
            types: values("types"),
        }
    }

    /// Whose names they need.
    pub fn authors(aggregations: &Value) -> impl Iterator<Item = Uuid> {
        buckets(aggregations, "authors", id).map(|(id, _)| id)
    }
}

fn id(key: &Value) -> Option<Uuid> {
    key.as_str()?.parse().ok()
}

fn author(id: Uuid, names: &Names) -> AuthorView {
    AuthorView { id, name: names.get(&id).cloned() }
}

fn buckets<'a, T>(
    aggregations: &'a Value,
    name: &str,
    key: impl Fn(&Value) -> Option<T> + 'a,
) -> impl Iterator<Item = (T, u64)> + 'a {
    let buckets = aggregations[name]["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    buckets.iter().filter_map(move |bucket| Some((key(&bucket["key"])?, bucket["doc_count"].as_u64()?)))
}
