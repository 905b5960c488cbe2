//! The rows that events lead to. Each event leads to its rows by itself, whatever came before it; what the events of a batch say of one post
//! is put together in one row, as the table would do it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use event_schema::comment::CommentEvent;
use event_schema::event::DomainEvent;
use event_schema::like::LikeEvent;
use event_schema::meta::ActorRef;
use event_schema::person::PersonEvent;
use event_schema::post::{PostEvent, RestoredStatus};
use event_schema::slug::SlugEvent;
use read_model::analytics::rows::{
    AuthorRow, COMMENT, EventRow, Id, LIKE, Millis, PostRow, ResponseRow, SOURCE_EVENTS, Versioned,
};
use uuid::Uuid;

use crate::analytics::properties;
use crate::event::LoggedEvent;
use crate::projection::Unprojectable;

/// The rows of some events of one partition, by table, in the order of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub events: Vec<EventRow>,
    pub posts: Vec<PostRow>,
    pub authors: Vec<AuthorRow>,
    pub responses: Vec<ResponseRow>,
}

/// From 1970 until before 2106: what the hours of the statistics can hold, and the time when a row goes.
pub(crate) const TIMES: std::ops::Range<i64> = 0..4_291_747_200_000;

impl Batch {
    /// # Errors
    /// For an event at a time that the tables do not hold.
    pub fn of(events: &[LoggedEvent]) -> Result<Self, Unprojectable> {
        let mut batch = Self::default();
        let mut places = HashMap::new();
        for logged in events {
            if !TIMES.contains(&logged.meta.time.timestamp_millis()) {
                let (offset, time) = (logged.offset, logged.meta.time);
                return Err(Unprojectable(format!("the event at offset {offset} is of {time}, which no table holds")));
            }
            batch.events.push(event_row(logged));
            batch.add_facts(logged, &mut places);
        }
        Ok(batch)
    }

    pub fn is_empty(&self) -> bool {
        // Every event has a row.
        self.events.is_empty()
    }

    /// `places` tells where in the batch the rows of posts are.
    fn add_facts(&mut self, logged: &LoggedEvent, places: &mut HashMap<Uuid, usize>) {
        let (id, at) = (logged.meta.aggregate_id, Millis::from(logged.meta.time));
        match &logged.event {
            DomainEvent::Post(event) => {
                let Some(row) = post_row(logged, event) else { return };
                match places.entry(id) {
                    Entry::Occupied(place) => add(&mut self.posts[*place.get()], row),
                    Entry::Vacant(place) => {
                        place.insert(self.posts.len());
                        self.posts.push(row);
                    }
                }
            }
            DomainEvent::Person(PersonEvent::Created(created)) => self.authors.push(AuthorRow {
                id,
                name: created.name.clone(),
                created_at: at,
                version: version(logged),
            }),
            DomainEvent::Comment(event) => {
                let stands = !matches!(event, CommentEvent::Deleted(_));
                self.responses.push(response_row(logged, event.post_id().into(), COMMENT, stands));
            }
            DomainEvent::Like(event) => {
                let stands = matches!(event, LikeEvent::Liked(_));
                self.responses.push(response_row(logged, event.post_id().into(), LIKE, stands));
            }
            DomainEvent::Slug(_) => {}
        }
    }
}

fn event_row(logged: &LoggedEvent) -> EventRow {
    let meta = &logged.meta;
    let user_id = match meta.actor {
        ActorRef::Person(person) => Some(person.into()),
        ActorRef::System => None,
    };
    EventRow {
        timestamp: meta.time.into(),
        user_id,
        event_type: meta.event_type.clone(),
        aggregate_id: Some(meta.aggregate_id),
        post_id: post_of(logged),
        properties: properties::of(&logged.event),
        session_id: String::new(),
        ip_address: None,
        user_agent: String::new(),
        country: String::new(),
        region: String::new(),
        source: SOURCE_EVENTS.to_owned(),
        partition: logged.partition,
        offset: logged.offset,
    }
}

fn post_of(logged: &LoggedEvent) -> Option<Uuid> {
    Some(match &logged.event {
        DomainEvent::Post(_) => logged.meta.aggregate_id,
        DomainEvent::Comment(event) => event.post_id().into(),
        DomainEvent::Like(event) => event.post_id().into(),
        DomainEvent::Slug(SlugEvent::Reserved(event)) => event.post_id.into(),
        DomainEvent::Slug(SlugEvent::Confirmed(event)) => event.post_id.into(),
        DomainEvent::Slug(SlugEvent::Released(event)) => event.post_id.into(),
        DomainEvent::Person(_) => return None,
    })
}

/// None for an event that changes nothing of what is kept.
fn post_row(logged: &LoggedEvent, event: &PostEvent) -> Option<PostRow> {
    let mut row = PostRow { id: logged.meta.aggregate_id, ..PostRow::default() };
    let text = |value: &str| -> Versioned<String> { (version(logged), value.to_owned()) };
    match event {
        PostEvent::Created(created) => {
            row.title = text(&created.title);
            row.post_type = text(created.post_type.as_str());
            row.status = text("draft");
            row.author_id = (version(logged), Id(created.author_id.into()));
            row.created_at = (version(logged), logged.meta.time.into());
            if let Some(time) = created.published_at {
                row.published_at = (version(logged), time.into());
            }
        }
        PostEvent::Edited(edited) => {
            if let Some(title) = &edited.title {
                row.title = text(title);
            }
            if let Some(post_type) = edited.post_type {
                row.post_type = text(post_type.as_str());
            }
            if let Some(author) = edited.author_id {
                row.author_id = (version(logged), Id(author.into()));
            }
            if let Some(time) = edited.published_at {
                row.published_at = (version(logged), time.into());
            }
        }
        PostEvent::Published(published) => {
            row.status = text("published");
            row.slug = text(&published.slug);
            row.published_at = (version(logged), published.published_at.into());
        }
        PostEvent::Unpublished(_) => row.status = text("draft"),
        PostEvent::Scheduled(_) => row.status = text("scheduled"),
        PostEvent::Deleted(_) => row.status = text("deleted"),
        PostEvent::Restored(restored) => {
            row.status = text(match restored.status {
                RestoredStatus::Draft => "draft",
                RestoredStatus::Published => "published",
            });
        }
        PostEvent::SlugRefused(_) => return None,
    }
    Some(row)
}

/// Of each column what has the highest version, as in the table.
fn add(row: &mut PostRow, other: PostRow) {
    fn latest<T>(held: &mut Versioned<T>, said: Versioned<T>) {
        if said.0 > held.0 {
            *held = said;
        }
    }
    let PostRow { id: _, title, post_type, slug, status, author_id, published_at, created_at } = other;
    latest(&mut row.title, title);
    latest(&mut row.post_type, post_type);
    latest(&mut row.slug, slug);
    latest(&mut row.status, status);
    latest(&mut row.author_id, author_id);
    latest(&mut row.published_at, published_at);
    latest(&mut row.created_at, created_at);
}

fn response_row(logged: &LoggedEvent, post_id: Uuid, kind: &str, stands: bool) -> ResponseRow {
    ResponseRow {
        post_id,
        kind: kind.to_owned(),
        id: logged.meta.aggregate_id,
        stands: (version(logged), stands),
        first_at: logged.meta.time.into(),
    }
}

/// Of what an event says: later events of one aggregate stand at higher offsets of one partition. 0 is left for what no event says.
fn version(logged: &LoggedEvent) -> u64 {
    logged.offset + 1
}
