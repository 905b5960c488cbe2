//! A post as its events made it. Small whatever the post holds: of the content only a hash is kept.

use chrono::{DateTime, Utc};
use event_schema::id::PersonId;
use event_schema::post::{PostCreated, PostEdited, PostEvent, PostType, RestoredStatus};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostState {
    pub status: Status,
    pub author_id: PersonId,
    pub post_type: PostType,
    pub title: String,
    pub content: ContentHash,
    pub excerpt: String,
    pub tags: Vec<String>,
    pub category: String,
    pub media: Vec<Uuid>,
    /// Chosen by an editor, or from the first publish on.
    pub published_at: Option<DateTime<Utc>>,
    /// From the first publish on, and for ever.
    pub slug: Option<String>,
    /// The greatest token of a reservation that the post has refused; 0 where it has refused none.
    pub refused_token: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Draft,
    Scheduled {
        at: DateTime<Utc>,
    },
    Published,
    /// With what a restore gives back.
    Deleted {
        was: RestoredStatus,
    },
}

/// SHA-256 of the content: enough to know whether an edit changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    pub fn of(content: &str) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl PostState {
    /// When its schedule wants it published.
    pub fn due(&self) -> Option<DateTime<Utc>> {
        match self.status {
            Status::Scheduled { at } => Some(at),
            _ => None,
        }
    }
}

pub fn evolve(state: Option<PostState>, event: &PostEvent, _time: DateTime<Utc>) -> PostState {
    let state = state.unwrap_or_else(unwritten);
    match event {
        PostEvent::Created(event) => created(event),
        PostEvent::Edited(event) => edited(state, event),
        PostEvent::Published(event) => PostState {
            status: Status::Published,
            slug: Some(event.slug.clone()),
            published_at: Some(event.published_at),
            ..state
        },
        PostEvent::Unpublished(_) => PostState { status: Status::Draft, ..state },
        PostEvent::Scheduled(event) => PostState { status: Status::Scheduled { at: event.at }, ..state },
        PostEvent::Deleted(_) => {
            let was = match state.status {
                Status::Published => RestoredStatus::Published,
                // A deletion cancels the schedule.
                Status::Draft | Status::Scheduled { .. } => RestoredStatus::Draft,
                Status::Deleted { was } => was,
            };
            PostState { status: Status::Deleted { was }, ..state }
        }
        PostEvent::Restored(event) => {
            let status = match event.status {
                RestoredStatus::Draft => Status::Draft,
                RestoredStatus::Published => Status::Published,
            };
            PostState { status, ..state }
        }
        PostEvent::SlugRefused(event) => PostState { refused_token: state.refused_token.max(event.token), ..state },
    }
}

fn created(event: &PostCreated) -> PostState {
    PostState {
        status: Status::Draft,
        author_id: event.author_id,
        post_type: event.post_type,
        title: event.title.clone(),
        content: ContentHash::of(&event.content),
        excerpt: event.excerpt.clone(),
        tags: event.tags.clone(),
        category: event.category.clone(),
        media: event.media.clone(),
        published_at: event.published_at,
        slug: None,
        refused_token: 0,
    }
}

fn edited(state: PostState, event: &PostEdited) -> PostState {
    let event = event.clone();
    PostState {
        post_type: event.post_type.unwrap_or(state.post_type),
        title: event.title.unwrap_or(state.title),
        content: event.content.as_deref().map_or(state.content, ContentHash::of),
        excerpt: event.excerpt.unwrap_or(state.excerpt),
        tags: event.tags.unwrap_or(state.tags),
        category: event.category.unwrap_or(state.category),
        media: event.media.unwrap_or(state.media),
        author_id: event.author_id.unwrap_or(state.author_id),
        published_at: event.published_at.or(state.published_at),
        ..state
    }
}

/// What an event that is not the first finds where nothing was created. No command leads there, but reading must not fail.
fn unwritten() -> PostState {
    PostState {
        status: Status::Draft,
        author_id: PersonId::new(Uuid::nil()),
        post_type: PostType::Article,
        title: String::new(),
        content: ContentHash::of(""),
        excerpt: String::new(),
        tags: Vec::new(),
        category: String::new(),
        media: Vec::new(),
        published_at: None,
        slug: None,
        refused_token: 0,
    }
}
