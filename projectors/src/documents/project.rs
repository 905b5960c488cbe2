//! What one event writes: pure, and ignorant of what the store holds.

use event_schema::comment::CommentEvent;
use event_schema::event::DomainEvent;
use event_schema::like::LikeEvent;
use event_schema::meta::EventMeta;
use event_schema::person::PersonEvent;
use event_schema::post::{self, PostCreated, PostEdited, PostEvent, RestoredStatus};
use read_model::{Comment, Like, Person, Post, PostEventDoc, PostStatus, PostType, Slug};
use uuid::Uuid;

use crate::documents::change::{BeforeDelete, Content, PostChange, PostPatch, PostWrite, Standing};
use crate::documents::response::{CommentChange, CommentWrite, CountStep, CountWrite};
use crate::event::LoggedEvent;
use crate::markdown;

/// What one event writes, besides the post itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    pub post: Option<PostWrite>,
    pub comment: Option<CommentWrite>,
    pub like: Option<Like>,
    pub count: Option<CountWrite>,
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
            ..Writes::default()
        },
        DomainEvent::Comment(event) => Writes {
            comment: Some(comment_write(logged, event)),
            count: comment_count(logged, event),
            ..Writes::default()
        },
        DomainEvent::Like(event) => {
            let (liked, person_id) = match event {
                LikeEvent::Liked(event) => (true, event.person_id),
                LikeEvent::Unliked(event) => (false, event.person_id),
            };
            let post_id = event.post_id().as_uuid();
            Writes {
                like: Some(Like {
                    id: logged.meta.aggregate_id,
                    post_id,
                    person_id: person_id.as_uuid(),
                    liked,
                    since: logged.meta.time,
                    version: logged.meta.version,
                    partition: logged.partition,
                    offset: stored_offset(logged),
                }),
                count: Some(count(logged, post_id, if liked { 1 } else { -1 }, 0)),
                ..Writes::default()
            }
        }
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
        // Whose a slug is, the post's own publication says.
        DomainEvent::Slug(_) => Writes::default(),
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
        // Nothing that is shown, but the version and the history move on.
        PostEvent::SlugRefused(_) => part(PostPatch::at(time)),
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
        likes: 0,
        comments: 0,
        counted_to: -1,
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

fn comment_write(logged: &LoggedEvent, event: &CommentEvent) -> CommentWrite {
    let at = logged.meta.time;
    let change = match event {
        CommentEvent::Added(event) => CommentChange::Whole(Box::new(Comment {
            id: logged.meta.aggregate_id,
            post_id: event.post_id.as_uuid(),
            author_id: event.author_id.as_uuid(),
            html: markdown::render(&event.content),
            content: event.content.clone(),
            created_at: at,
            updated_at: at,
            deleted_at: None,
            version: logged.meta.version,
            partition: logged.partition,
            offset: stored_offset(logged),
        })),
        CommentEvent::Edited(event) => {
            let content = Content { html: markdown::render(&event.content), markdown: event.content.clone() };
            CommentChange::Edited { content, at }
        }
        CommentEvent::Deleted(_) => CommentChange::Deleted { at },
    };
    CommentWrite {
        id: logged.meta.aggregate_id,
        version: logged.meta.version,
        partition: logged.partition,
        offset: stored_offset(logged),
        change,
    }
}

fn comment_count(logged: &LoggedEvent, event: &CommentEvent) -> Option<CountWrite> {
    let more = match event {
        CommentEvent::Added(_) => 1,
        CommentEvent::Edited(_) => return None,
        CommentEvent::Deleted(_) => -1,
    };
    Some(count(logged, event.post_id().as_uuid(), 0, more))
}

fn count(logged: &LoggedEvent, post_id: Uuid, likes: i64, comments: i64) -> CountWrite {
    CountWrite { post_id, steps: vec![CountStep { offset: stored_offset(logged), likes, comments }] }
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
