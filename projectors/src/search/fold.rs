//! What events make of a post in the index: pure.

use event_schema::post::{PostCreated, PostEdited, PostEvent, RestoredStatus};
use read_model::search::SearchPost;
use read_model::search::post::century;
use read_model::{Post, PostStatus, PostType};
use thiserror::Error;
use uuid::Uuid;

use crate::markdown;
use crate::search::batch::{Happened, PostEvents};

/// A post's events do not follow one another, or what is stored.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("post {id} has an event of version {found} after one of version {before}")]
pub struct OutOfOrder {
    pub id: Uuid,
    pub before: u64,
    pub found: u64,
}

/// The post after these events; none when it has them already.
pub fn fold(stored: Option<SearchPost>, post: &PostEvents) -> Result<Option<SearchPost>, OutOfOrder> {
    let mut folded = stored;
    let mut changed = false;
    for happened in &post.events {
        let before = folded.as_ref().map_or(0, |post| post.version);
        if happened.version <= before {
            continue;
        }
        if happened.version != before + 1 {
            return Err(OutOfOrder { id: post.id, before, found: happened.version });
        }
        folded = Some(after(folded, post.id, happened)?);
        changed = true;
    }
    Ok(folded.filter(|_| changed))
}

fn after(stored: Option<SearchPost>, id: Uuid, happened: &Happened) -> Result<SearchPost, OutOfOrder> {
    let out_of_order = OutOfOrder { id, before: happened.version - 1, found: happened.version };
    let mut post = match (stored, &happened.event) {
        (None, PostEvent::Created(event)) => created(id, happened, event),
        (Some(mut post), event) if !matches!(event, PostEvent::Created(_)) => {
            change(&mut post, happened, event);
            post
        }
        // Only the first event creates, and every post has one.
        _ => return Err(out_of_order),
    };
    post.century = post.published_at.map(century);
    post.updated_at = happened.at;
    post.version = happened.version;
    post.partition = happened.partition;
    post.offset = happened.offset;
    Ok(post)
}

fn created(id: Uuid, happened: &Happened, event: &PostCreated) -> SearchPost {
    SearchPost {
        id,
        post_type: type_of(event.post_type),
        title: event.title.clone(),
        text: event.content.clone(),
        excerpt: filled(&event.excerpt),
        tags: event.tags.clone(),
        category: filled(&event.category),
        media: event.media.clone(),
        status: PostStatus::Draft,
        author_id: event.author_id.as_uuid(),
        slug: None,
        created_at: happened.at,
        updated_at: happened.at,
        published_at: event.published_at,
        scheduled_at: None,
        deleted_at: None,
        century: None,
        version: 0,
        partition: 0,
        offset: 0,
    }
}

fn change(post: &mut SearchPost, happened: &Happened, event: &PostEvent) {
    let status = match event {
        PostEvent::Created(_) | PostEvent::SlugRefused(_) => return,
        PostEvent::Edited(event) => return edit(post, event),
        PostEvent::Published(event) => {
            post.slug = Some(event.slug.clone());
            post.published_at = Some(event.published_at);
            PostStatus::Published
        }
        PostEvent::Unpublished(_) => PostStatus::Draft,
        PostEvent::Scheduled(_) => PostStatus::Scheduled,
        PostEvent::Deleted(_) => PostStatus::Deleted,
        PostEvent::Restored(event) => match event.status {
            RestoredStatus::Draft => PostStatus::Draft,
            RestoredStatus::Published => PostStatus::Published,
        },
    };
    post.status = status;
    post.scheduled_at = match event {
        PostEvent::Scheduled(event) => Some(event.at),
        _ => None,
    };
    post.deleted_at = (status == PostStatus::Deleted).then_some(happened.at);
}

fn edit(post: &mut SearchPost, event: &PostEdited) {
    let PostEdited { post_type, title, content, excerpt, tags, category, media, author_id, published_at } =
        event.clone();
    post.post_type = post_type.map_or(post.post_type, type_of);
    replace(&mut post.title, title);
    replace(&mut post.text, content);
    replace(&mut post.excerpt, excerpt.as_deref().map(filled));
    replace(&mut post.tags, tags);
    replace(&mut post.category, category.as_deref().map(filled));
    replace(&mut post.media, media);
    replace(&mut post.author_id, author_id.map(|id| id.as_uuid()));
    post.published_at = published_at.or(post.published_at);
}

fn replace<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn type_of(post_type: event_schema::post::PostType) -> PostType {
    PostType::parse(post_type.as_str()).expect("the types of the read model are those of the events")
}

/// What the index must hold of a post that an independent fold of the log has led to, for comparing.
pub fn expected(post: &Post) -> SearchPost {
    SearchPost {
        id: post.id,
        post_type: post.post_type,
        title: post.title.clone(),
        text: markdown::plain(&post.content),
        excerpt: post.excerpt.clone(),
        tags: post.tags.clone(),
        category: post.category.clone(),
        media: post.media.clone(),
        status: post.status,
        author_id: post.author_id,
        slug: post.slug.clone(),
        created_at: post.created_at,
        updated_at: post.updated_at,
        published_at: post.published_at,
        scheduled_at: post.scheduled_at,
        deleted_at: post.deleted_at,
        century: post.published_at.map(century),
        version: post.version,
        partition: post.partition,
        offset: u64::try_from(post.offset).unwrap_or_default(),
    }
}
