//! What a log must lead to, folded from its events in the plainest way, and how that differs from what is stored.
//!
//! Deliberately a second telling of [`super::batch`] and [`super::properties`]: there each event becomes rows by itself, which the
//! store puts together; here each event changes what is in memory, and what is counted is counted one by one.

use std::collections::{BTreeMap, BTreeSet};

use event_schema::comment::CommentEvent;
use event_schema::event::{AggregateKind, DomainEvent};
use event_schema::like::LikeEvent;
use event_schema::meta::ActorRef;
use event_schema::person::PersonEvent;
use event_schema::post::PostEvent;
use read_model::analytics::rows::{AuthorRow, EventRow, Millis};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::event::LoggedEvent;
use crate::verdict::{Difference, Verdict};

/// Everything that readers are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analytics {
    /// By [`place`]; more than one row at a place is one too many.
    pub events: BTreeMap<String, Vec<EventRow>>,
    /// By the second in which the hour begins, type and country.
    pub hourly: BTreeMap<String, Hour>,
    pub posts: BTreeMap<Uuid, Post>,
    pub authors: BTreeMap<Uuid, AuthorRow>,
    pub responses: BTreeMap<Uuid, Response>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hour {
    pub events: u64,
    pub users: u64,
    pub sessions: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Post {
    pub title: String,
    pub post_type: String,
    /// Empty before the first publish.
    pub slug: String,
    pub status: String,
    pub author_id: Uuid,
    pub published_at: Option<Millis>,
    pub created_at: Millis,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Response {
    pub post_id: Uuid,
    pub kind: String,
    pub stands: bool,
    pub first_at: Millis,
}

/// Where a row of an event comes from.
pub fn place(source: &str, partition: u32, offset: u64) -> String {
    format!("{source} {partition}:{offset:020}")
}

/// What these events lead to. Events of one post and of all that is under it stand in the order of the log.
pub fn expected<'a>(events: impl IntoIterator<Item = &'a LoggedEvent>) -> Analytics {
    let mut all = Analytics::default();
    for logged in events {
        apply(&mut all, logged);
    }
    all.hourly = count(all.events.values().flatten());
    all
}

/// One event more, without the statistics.
pub fn apply(all: &mut Analytics, logged: &LoggedEvent) {
    let row = row(logged);
    all.events.entry(place("events", logged.partition, logged.offset)).or_default().push(row);
    change(all, logged);
}

/// What the statistics say of rows.
pub fn count<'a>(rows: impl IntoIterator<Item = &'a EventRow>) -> BTreeMap<String, Hour> {
    let mut hours = BTreeMap::<String, (u64, BTreeSet<Uuid>, BTreeSet<String>)>::new();
    for row in rows {
        let begin = row.timestamp.0.div_euclid(3_600_000) * 3_600;
        let (events, users, sessions) = hours.entry(format!("{begin} {} {}", row.event_type, row.country)).or_default();
        *events += 1;
        users.extend(row.user_id);
        sessions.extend(Some(row.session_id.clone()).filter(|session| !session.is_empty()));
    }
    let counted = |(events, users, sessions): (u64, BTreeSet<Uuid>, BTreeSet<String>)| Hour {
        events,
        users: users.len() as u64,
        sessions: sessions.len() as u64,
    };
    hours.into_iter().map(|(key, hour)| (key, counted(hour))).collect()
}

fn row(logged: &LoggedEvent) -> EventRow {
    const PROPERTIES: [&str; 9] =
        ["authorId", "category", "personId", "postId", "postType", "scheduled", "slug", "status", "tags"];
    let meta = &logged.meta;
    let data = logged.event.to_json();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let property = |name: &str| {
        let value = data.get(name).filter(|value| !value.is_null())?;
        Some((name.to_owned(), text(value)))
    };
    let post = match logged.event.aggregate_kind() {
        AggregateKind::Post => Some(meta.aggregate_id),
        AggregateKind::Person => None,
        AggregateKind::Comment | AggregateKind::Like | AggregateKind::Slug => {
            data["postId"].as_str().and_then(|id| id.parse().ok())
        }
    };
    EventRow {
        timestamp: Millis(meta.time.timestamp_millis()),
        user_id: if meta.actor == ActorRef::System { None } else { meta.actor.to_string().parse().ok() },
        event_type: logged.event.event_type().to_owned(),
        aggregate_id: Some(meta.aggregate_id),
        post_id: post,
        properties: PROPERTIES.into_iter().filter_map(property).collect(),
        session_id: String::new(),
        ip_address: None,
        user_agent: String::new(),
        country: String::new(),
        region: String::new(),
        source: "events".to_owned(),
        partition: logged.partition,
        offset: logged.offset,
    }
}

fn change(all: &mut Analytics, logged: &LoggedEvent) {
    let (id, at) = (logged.meta.aggregate_id, Millis(logged.meta.time.timestamp_millis()));
    match &logged.event {
        DomainEvent::Person(PersonEvent::Created(created)) => {
            let author = AuthorRow { id, name: created.name.clone(), created_at: at, version: logged.offset + 1 };
            all.authors.insert(id, author);
        }
        DomainEvent::Post(event) => {
            let post = all.posts.entry(id).or_default();
            change_post(post, at, event);
        }
        DomainEvent::Comment(event) => {
            let post_id = event.post_id().into();
            let comment = Response { post_id, kind: "comment".to_owned(), stands: true, first_at: at };
            let comment = all.responses.entry(id).or_insert(comment);
            if let CommentEvent::Deleted(_) = event {
                comment.stands = false;
            }
        }
        DomainEvent::Like(event) => {
            let post_id = event.post_id().into();
            let like = Response { post_id, kind: "like".to_owned(), stands: true, first_at: at };
            all.responses.entry(id).or_insert(like).stands = matches!(event, LikeEvent::Liked(_));
        }
        DomainEvent::Slug(_) => {}
    }
}

fn change_post(post: &mut Post, at: Millis, event: &PostEvent) {
    match event {
        PostEvent::Created(created) => {
            *post = Post {
                title: created.title.clone(),
                post_type: created.post_type.as_str().to_owned(),
                slug: String::new(),
                status: "draft".to_owned(),
                author_id: created.author_id.into(),
                published_at: created.published_at.map(Millis::from),
                created_at: at,
            };
        }
        PostEvent::Edited(edit) => {
            post.title = edit.title.clone().unwrap_or_else(|| post.title.clone());
            if let Some(post_type) = edit.post_type {
                post.post_type = post_type.as_str().to_owned();
            }
            post.author_id = edit.author_id.map_or(post.author_id, Into::into);
            post.published_at = edit.published_at.map(Millis::from).or(post.published_at);
        }
        PostEvent::Published(published) => {
            post.slug.clone_from(&published.slug);
            post.published_at = Some(published.published_at.into());
            post.status = "published".to_owned();
        }
        PostEvent::Unpublished(_) => post.status = "draft".to_owned(),
        PostEvent::Scheduled(_) => post.status = "scheduled".to_owned(),
        PostEvent::Deleted(_) => post.status = "deleted".to_owned(),
        PostEvent::Restored(restored) => post.status = <&str>::from(restored.status).to_owned(),
        PostEvent::SlugRefused(_) => {}
    }
}

/// Everything in which the store differs from what is expected.
pub fn differences(stored: &Analytics, expected: &Analytics) -> Vec<Difference> {
    let mut verdict = Verdict::default();
    verdict.compare("event", &stored.events, &expected.events, |_, _| false, None);
    verdict.compare("hour", &stored.hourly, &expected.hourly, |_, _| false, None);
    verdict.compare("post", &stored.posts, &expected.posts, |_, _| false, None);
    verdict.compare("author", &stored.authors, &expected.authors, |_, _| false, None);
    verdict.compare("response", &stored.responses, &expected.responses, |_, _| false, None);
    verdict.differences
}
