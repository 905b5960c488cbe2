//! What one event writes: pure, and ignorant of what the store holds.

use event_schema::event::DomainEvent;
use event_schema::meta::EventMeta;
use event_schema::person::PersonEvent;
use event_schema::post::{self, PostCreated, PostEdited, PostEvent, RestoredStatus};
use read_model::{Person, Post, PostEventDoc, PostStatus, PostType, Slug};

use crate::documents::change::{BeforeDelete, Content, PostChange, PostPatch, PostWrite, Standing};
use crate::documents::markdown;
use crate::event::LoggedEvent;

/// What one event writes, besides the post itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    pub post: Option<PostWrite>,
    pub person: Option<Person>,
    pub slug: Option<Slug>,
    pub history: Option<PostEventDoc>,
}

/// What the event writes.
pub fn project(logged: &LoggedEvent) -> Writes {
    match &logged.event {
        DomainEvent::Post(event) => Writes {
            post: Some(post_write(logged, event)),
            slug: slug(&logged.meta, event),
            history: Some(history(logged)),
            person: None,
        },
        DomainEvent::Person(PersonEvent::Created(event)) => Writes {
            person: Some(Person {
                id: logged.meta.aggregate_id,
                name: event.name.clone(),
                created_at: logged.meta.time,
                version: logged.meta.version,
                partition: logged.partition,
                offset: stored_offset(logged),
            }),
            ..Writes::default()
        },
    }
}

fn post_write(logged: &LoggedEvent, event: &PostEvent) -> PostWrite {
    let time = logged.meta.time;
    let change = match event {
        PostEvent::Created(event) => PostChange::Whole(Box::new(created(logged, event))),
        PostEvent::Edited(event) => part(edited(logged, event)),
        PostEvent::Published(event) => part(PostPatch {
            slug: Some(event.slug.clone()),
            published_at: Some(event.published_at),
            ..PostPatch::to(time, Standing::plain(PostStatus::Published))
        }),
        PostEvent::Unpublished(_) => part(PostPatch::to(time, Standing::plain(PostStatus::Draft))),
        PostEvent::Scheduled(event) => part(PostPatch::to(
            time,
            Standing { scheduled_at: Some(event.at), ..Standing::plain(PostStatus::Scheduled) },
        )),
        PostEvent::Deleted(_) => part(PostPatch::to(
            time,
            Standing {
                deleted_at: Some(time),
                before_delete: BeforeDelete::AsStored,
                ..Standing::plain(PostStatus::Deleted)
            },
        )),
        PostEvent::Restored(event) => part(PostPatch::to(
            time,
            Standing::plain(match event.status {
                RestoredStatus::Draft => PostStatus::Draft,
                RestoredStatus::Published => PostStatus::Published,
            }),
        )),
    };
    PostWrite {
        id: logged.meta.aggregate_id,
        first_version: logged.meta.version,
        version: logged.meta.version,
        partition: logged.partition,
        offset: stored_offset(logged),
        change,
    }
}

fn part(patch: PostPatch) -> PostChange {
    PostChange::Part(Box::new(patch))
}

fn created(logged: &LoggedEvent, event: &PostCreated) -> Post {
    Post {
        id: logged.meta.aggregate_id,
        post_type: post_type(event.post_type),
        title: event.title.clone(),
        html: markdown::render(&event.content),
        content: event.content.clone(),
        excerpt: filled(&event.excerpt),
        tags: event.tags.clone(),
        category: filled(&event.category),
        media: event.media.clone(),
        status: PostStatus::Draft,
        author_id: event.author_id.as_uuid(),
        slug: None,
        created_at: logged.meta.time,
        updated_at: logged.meta.time,
        published_at: event.published_at,
        scheduled_at: None,
        deleted_at: None,
        status_before_delete: None,
        version: logged.meta.version,
        partition: logged.partition,
        offset: stored_offset(logged),
    }
}

fn edited(logged: &LoggedEvent, event: &PostEdited) -> PostPatch {
    PostPatch {
        post_type: event.post_type.map(post_type),
        title: event.title.clone(),
        content: event
            .content
            .as_ref()
            .map(|content| Content { html: markdown::render(content), markdown: content.clone() }),
        excerpt: event.excerpt.as_deref().map(filled),
        tags: event.tags.clone(),
        category: event.category.as_deref().map(filled),
        media: event.media.clone(),
        author_id: event.author_id.map(|id| id.as_uuid()),
        published_at: event.published_at,
        ..PostPatch::at(logged.meta.time)
    }
}

fn slug(meta: &EventMeta, event: &PostEvent) -> Option<Slug> {
    match event {
        PostEvent::Published(published) => Some(Slug { slug: published.slug.clone(), post_id: meta.aggregate_id }),
        _ => None,
    }
}

fn history(logged: &LoggedEvent) -> PostEventDoc {
    let meta = &logged.meta;
    PostEventDoc {
        id: PostEventDoc::key(meta.aggregate_id, meta.version),
        post_id: meta.aggregate_id,
        version: meta.version,
        event_type: meta.event_type.clone(),
        time: meta.time,
        actor: Some(meta.actor.to_string()),
        data: logged.event.to_json(),
        partition: logged.partition,
        offset: stored_offset(logged),
    }
}

/// Kafka's offsets are signed 64-bit numbers themselves.
fn stored_offset(logged: &LoggedEvent) -> i64 {
    i64::try_from(logged.offset).unwrap_or(i64::MAX)
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn post_type(kind: post::PostType) -> PostType {
    match kind {
        post::PostType::Article => PostType::Article,
        post::PostType::Note => PostType::Note,
        post::PostType::Link => PostType::Link,
    }
}

#[cfg(test)]
mod tests;
