use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::params::SeriesParams;
use super::query::{AuthorCounted, Counted, CountryCounted, PostCounted, PostFacts, RECENT, Totals};
use crate::posts::view::AuthorView;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Published now.
    #[schema(example = 233)]
    pub posts: u64,
    /// With a published post.
    #[schema(example = 43)]
    pub authors: u64,
    pub views: u64,
    /// Of every type, activity included.
    pub events: u64,
    /// Over the last 60 seconds.
    #[schema(example = 12.5)]
    pub events_per_second: f64,
    /// Given in the span and not taken back.
    pub likes: u64,
    /// Written in the span and not deleted.
    pub comments: u64,
}

/// A number for each piece of a time, also where there was nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Series {
    pub data: Vec<Bucket>,
    /// hour, day, week or month.
    #[schema(example = "day")]
    pub interval: &'static str,
    #[schema(example = "Europe/Berlin")]
    pub tz: String,
}

#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Bucket {
    pub begin: DateTime<Utc>,
    pub events: u64,
    /// Different people known by a token.
    pub users: u64,
    /// Different sessions.
    pub sessions: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TopPosts {
    pub data: Vec<TopPost>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopPost {
    pub id: Uuid,
    #[schema(example = "Abraham Lincoln: State of the Union 1861")]
    pub title: String,
    pub slug: Option<String>,
    pub author: AuthorView,
    #[schema(example = "1861-01-01T00:00:00Z")]
    pub published_at: Option<DateTime<Utc>>,
    pub views: u64,
    pub likes: u64,
    pub comments: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TopAuthors {
    pub data: Vec<TopAuthor>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TopAuthor {
    #[serde(flatten)]
    pub author: AuthorView,
    /// Published now.
    pub posts: u64,
    pub views: u64,
    pub likes: u64,
    pub comments: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Countries {
    pub data: Vec<Country>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Country {
    /// Null for what came without one.
    #[schema(example = "DE")]
    pub country: Option<String>,
    pub events: u64,
    pub users: u64,
    pub sessions: u64,
}

impl From<Totals> for Overview {
    fn from(totals: Totals) -> Self {
        let Totals { posts, authors, views, events, recent, likes, comments } = totals;
        let events_per_second = recent as f64 / RECENT.num_seconds() as f64;
        Self { posts, authors, views, events, events_per_second, likes, comments }
    }
}

impl Series {
    /// `counted` stands in the order of time.
    pub fn new(params: &SeriesParams, counted: &[Counted]) -> Self {
        let bucket = |begin: &DateTime<Utc>| {
            let found = counted.iter().find(|counted| i64::from(counted.begin) == begin.timestamp());
            Bucket {
                begin: *begin,
                events: found.map_or(0, |found| found.events),
                users: found.map_or(0, |found| found.users),
                sessions: found.map_or(0, |found| found.sessions),
            }
        };
        Self {
            data: params.begins.iter().map(bucket).collect(),
            interval: params.interval.as_str(),
            tz: params.zone.name().to_owned(),
        }
    }
}

impl From<(PostCounted, PostFacts)> for TopPost {
    fn from((counted, post): (PostCounted, PostFacts)) -> Self {
        Self {
            id: post.id,
            title: post.title,
            slug: filled(post.slug),
            author: AuthorView { id: post.author, name: filled(post.name) },
            published_at: post.published_at.and_then(|time| time.to_time()),
            views: counted.views,
            likes: counted.likes,
            comments: counted.comments,
        }
    }
}

impl From<AuthorCounted> for TopAuthor {
    fn from(counted: AuthorCounted) -> Self {
        let AuthorCounted { author, name, posts, views, likes, comments } = counted;
        Self { author: AuthorView { id: author, name: filled(name) }, posts, views, likes, comments }
    }
}

impl From<CountryCounted> for Country {
    fn from(counted: CountryCounted) -> Self {
        let CountryCounted { country, events, users, sessions } = counted;
        Self { country: filled(country), events, users, sessions }
    }
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
