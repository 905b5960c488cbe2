//! The documents that a log must lead to, folded from its events in the plainest way, and how two sets of documents differ.
//!
//! Deliberately a second telling of what [`super::project`] and [`super::change`] do step by step: here each event changes
//! a post in memory, there each becomes a write that does not know the post. What holds in both is right. Only the
//! rendering of Markdown is shared.

use std::collections::BTreeMap;

use event_schema::comment::CommentEvent;
use event_schema::event::DomainEvent;
use event_schema::like::LikeEvent;
use event_schema::person::PersonEvent;
use event_schema::post::{PostEvent, RestoredStatus};
use read_model::{Comment, Like, Person, Post, PostEventDoc, PostStatus, PostType, Slug};
use uuid::Uuid;

use crate::event::LoggedEvent;
use crate::markdown;
use crate::verdict::{Difference, Only, Verdict};

/// Every document of the projection by its key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    pub posts: BTreeMap<Uuid, Post>,
    pub comments: BTreeMap<Uuid, Comment>,
    pub likes: BTreeMap<Uuid, Like>,
    pub people: BTreeMap<Uuid, Person>,
    pub slugs: BTreeMap<String, Slug>,
    pub history: BTreeMap<String, PostEventDoc>,
}

/// The documents that these events lead to. Events of one post and of all that is under it stand in the order of the log; the
/// order of posts and people among each other does not matter.
pub fn expected<'a>(events: impl IntoIterator<Item = &'a LoggedEvent>) -> Documents {
    let mut documents = Documents::default();
    for logged in events {
        apply(&mut documents, logged);
    }
    count(&mut documents);
    documents
}

/// One event more. The numbers of likes and comments on the posts are left as they are: see [`expected`].
pub fn apply(documents: &mut Documents, logged: &LoggedEvent) {
    match &logged.event {
        DomainEvent::Person(PersonEvent::Created(event)) => {
            let person = Person {
                id: logged.meta.aggregate_id,
                name: event.name.clone(),
                created_at: logged.meta.time,
                version: logged.meta.version,
                partition: logged.partition,
                offset: logged.offset as i64,
            };
            documents.people.insert(person.id, person);
        }
        DomainEvent::Post(event) => fold_post(documents, logged, event),
        DomainEvent::Comment(event) => fold_comment(documents, logged, event),
        DomainEvent::Like(event) => fold_like(documents, logged, event),
        DomainEvent::Slug(_) => {}
    }
}

/// Every document in which the store differs from what is expected.
pub fn differences(stored: &Documents, expected: &Documents) -> Vec<Difference> {
    let mut verdict = Verdict::default();
    compare(&mut verdict, stored, expected, i64::MAX, None);
    verdict.differences
}

/// Compares everything whose last event stands before `end`.
pub(super) fn compare(verdict: &mut Verdict, stored: &Documents, expected: &Documents, end: i64, only: Only<'_>) {
    verdict.compare("post", &stored.posts, &expected.posts, |_, post| post.last_offset() >= end, only);
    verdict.compare("comment", &stored.comments, &expected.comments, |_, comment| comment.offset >= end, only);
    verdict.compare("like", &stored.likes, &expected.likes, |_, like| like.offset >= end, only);
    verdict.compare("person", &stored.people, &expected.people, |_, person| person.offset >= end, only);
    verdict.compare("history", &stored.history, &expected.history, |_, event| event.offset >= end, only);
    let of_a_newer_post =
        |_: &String, slug: &Slug| stored.posts.get(&slug.post_id).is_some_and(|post| post.last_offset() >= end);
    verdict.compare("slug", &stored.slugs, &expected.slugs, of_a_newer_post, only);
}

fn fold_post(documents: &mut Documents, logged: &LoggedEvent, event: &PostEvent) {
    let meta = &logged.meta;
    let id = meta.aggregate_id;
    let key = format!("{id}:{}", meta.version);
    documents.history.insert(
        key.clone(),
        PostEventDoc {
            id: key,
            post_id: id,
            version: meta.version,
            event_type: meta.event_type.clone(),
            time: meta.time,
            actor: Some(meta.actor.to_string()),
            data: logged.event.to_json(),
            partition: logged.partition,
            offset: logged.offset as i64,
        },
    );
    if let PostEvent::Created(created) = event {
        let post = Post {
            id,
            post_type: type_of(created.post_type.as_str()),
            title: created.title.clone(),
            content: created.content.clone(),
            html: markdown::render(&created.content),
            excerpt: Some(created.excerpt.clone()).filter(|text| !text.is_empty()),
            tags: created.tags.clone(),
            category: Some(created.category.clone()).filter(|text| !text.is_empty()),
            media: created.media.clone(),
            status: PostStatus::Draft,
            author_id: created.author_id.into(),
            slug: None,
            created_at: meta.time,
            updated_at: meta.time,
            published_at: created.published_at,
            scheduled_at: None,
            deleted_at: None,
            status_before_delete: None,
            likes: 0,
            comments: 0,
            counted_to: -1,
            version: 0,
            partition: logged.partition,
            offset: 0,
        };
        documents.posts.insert(id, post);
    }
    let Some(post) = documents.posts.get_mut(&id) else {
        return;
    };
    match event {
        PostEvent::Created(_) | PostEvent::SlugRefused(_) => {}
        PostEvent::Edited(edit) => {
            if let Some(kind) = edit.post_type {
                post.post_type = type_of(kind.as_str());
            }
            if let Some(title) = &edit.title {
                post.title.clone_from(title);
            }
            if let Some(content) = &edit.content {
                post.content.clone_from(content);
                post.html = markdown::render(content);
            }
            if let Some(excerpt) = &edit.excerpt {
                post.excerpt = Some(excerpt.clone()).filter(|text| !text.is_empty());
            }
            if let Some(tags) = &edit.tags {
                post.tags.clone_from(tags);
            }
            if let Some(category) = &edit.category {
                post.category = Some(category.clone()).filter(|text| !text.is_empty());
            }
            if let Some(media) = &edit.media {
                post.media.clone_from(media);
            }
            if let Some(author) = edit.author_id {
                post.author_id = author.into();
            }
            if edit.published_at.is_some() {
                post.published_at = edit.published_at;
            }
        }
        PostEvent::Published(published) => {
            post.status = PostStatus::Published;
            post.slug = Some(published.slug.clone());
            post.published_at = Some(published.published_at);
            post.scheduled_at = None;
            let slug = documents
                .slugs
                .entry(published.slug.clone())
                .or_insert_with(|| Slug { slug: published.slug.clone(), post_id: id });
            slug.post_id = slug.post_id.min(id);
        }
        PostEvent::Unpublished(_) => {
            post.status = PostStatus::Draft;
            post.scheduled_at = None;
        }
        PostEvent::Scheduled(schedule) => {
            post.status = PostStatus::Scheduled;
            post.scheduled_at = Some(schedule.at);
        }
        PostEvent::Deleted(_) => {
            post.status_before_delete =
                Some(if post.status == PostStatus::Published { PostStatus::Published } else { PostStatus::Draft });
            post.status = PostStatus::Deleted;
            post.deleted_at = Some(meta.time);
            post.scheduled_at = None;
        }
        PostEvent::Restored(restored) => {
            post.status = match restored.status {
                RestoredStatus::Draft => PostStatus::Draft,
                RestoredStatus::Published => PostStatus::Published,
            };
            post.status_before_delete = None;
            post.deleted_at = None;
        }
    }
    post.updated_at = meta.time;
    post.version = meta.version;
    post.offset = logged.offset as i64;
}

fn fold_comment(documents: &mut Documents, logged: &LoggedEvent, event: &CommentEvent) {
    let meta = &logged.meta;
    if let CommentEvent::Added(added) = event {
        let comment = Comment {
            id: meta.aggregate_id,
            post_id: added.post_id.into(),
            author_id: added.author_id.into(),
            content: String::new(),
            html: String::new(),
            created_at: meta.time,
            updated_at: meta.time,
            deleted_at: None,
            version: 0,
            partition: logged.partition,
            offset: 0,
        };
        documents.comments.insert(comment.id, comment);
    }
    if !matches!(event, CommentEvent::Edited(_)) {
        counted(documents, event.post_id().into(), logged);
    }
    let Some(comment) = documents.comments.get_mut(&meta.aggregate_id) else {
        return;
    };
    comment.content = match event {
        CommentEvent::Added(added) => added.content.clone(),
        CommentEvent::Edited(edited) => edited.content.clone(),
        CommentEvent::Deleted(_) => String::new(),
    };
    comment.html = markdown::render(&comment.content);
    if let CommentEvent::Deleted(_) = event {
        comment.deleted_at = Some(meta.time);
    }
    comment.updated_at = meta.time;
    comment.version = meta.version;
    comment.offset = logged.offset as i64;
}

fn fold_like(documents: &mut Documents, logged: &LoggedEvent, event: &LikeEvent) {
    let person = match event {
        LikeEvent::Liked(liked) => liked.person_id,
        LikeEvent::Unliked(unliked) => unliked.person_id,
    };
    let like = Like {
        id: logged.meta.aggregate_id,
        post_id: event.post_id().into(),
        person_id: person.into(),
        liked: matches!(event, LikeEvent::Liked(_)),
        since: logged.meta.time,
        version: logged.meta.version,
        partition: logged.partition,
        offset: logged.offset as i64,
    };
    documents.likes.insert(like.id, like);
    counted(documents, event.post_id().into(), logged);
}

fn counted(documents: &mut Documents, post: Uuid, logged: &LoggedEvent) {
    if let Some(post) = documents.posts.get_mut(&post) {
        post.counted_to = logged.offset as i64;
    }
}

/// The numbers on the posts, by counting what is there in the end.
pub fn count(documents: &mut Documents) {
    let Documents { posts, comments, likes, .. } = documents;
    for comment in comments.values().filter(|comment| comment.deleted_at.is_none()) {
        if let Some(post) = posts.get_mut(&comment.post_id) {
            post.comments += 1;
        }
    }
    for like in likes.values().filter(|like| like.liked) {
        if let Some(post) = posts.get_mut(&like.post_id) {
            post.likes += 1;
        }
    }
}

fn type_of(name: &str) -> PostType {
    PostType::parse(name).expect("the types of the read model are those of the events")
}
