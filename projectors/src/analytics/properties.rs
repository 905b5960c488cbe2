//! What of an event is a property of its row: short facts that are no person's own words. Texts stay in the log.

use event_schema::comment::CommentEvent;
use event_schema::event::DomainEvent;
use event_schema::like::LikeEvent;
use event_schema::person::PersonEvent;
use event_schema::post::{PostEvent, RestoredStatus};
use event_schema::slug::SlugEvent;
use serde_json::json;

/// By name, in the order of names.
pub fn of(event: &DomainEvent) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut put = |name: &str, value: String| found.push((name.to_owned(), value));
    match event {
        DomainEvent::Post(event) => post(event, &mut put),
        DomainEvent::Comment(event) => {
            if let CommentEvent::Added(added) = event {
                put("authorId", added.author_id.to_string());
            }
            put("postId", event.post_id().to_string());
        }
        DomainEvent::Like(event) => {
            let person = match event {
                LikeEvent::Liked(liked) => liked.person_id,
                LikeEvent::Unliked(unliked) => unliked.person_id,
            };
            put("personId", person.to_string());
            put("postId", event.post_id().to_string());
        }
        DomainEvent::Person(PersonEvent::Created(_)) => {}
        DomainEvent::Slug(event) => {
            let (post, slug) = match event {
                SlugEvent::Reserved(reserved) => (reserved.post_id, &reserved.slug),
                SlugEvent::Confirmed(confirmed) => (confirmed.post_id, &confirmed.slug),
                SlugEvent::Released(released) => (released.post_id, &released.slug),
            };
            put("postId", post.to_string());
            put("slug", slug.clone());
        }
    }
    found
}

fn post(event: &PostEvent, put: &mut impl FnMut(&str, String)) {
    match event {
        PostEvent::Created(created) => {
            put("authorId", created.author_id.to_string());
            put("category", created.category.clone());
            put("postType", created.post_type.as_str().to_owned());
            put("tags", json!(created.tags).to_string());
        }
        PostEvent::Edited(edited) => {
            if let Some(author) = edited.author_id {
                put("authorId", author.to_string());
            }
            if let Some(category) = &edited.category {
                put("category", category.clone());
            }
            if let Some(post_type) = edited.post_type {
                put("postType", post_type.as_str().to_owned());
            }
            if let Some(tags) = &edited.tags {
                put("tags", json!(tags).to_string());
            }
        }
        PostEvent::Published(published) => {
            put("scheduled", published.scheduled.to_string());
            put("slug", published.slug.clone());
        }
        PostEvent::Restored(restored) => {
            let status = match restored.status {
                RestoredStatus::Draft => "draft",
                RestoredStatus::Published => "published",
            };
            put("status", status.to_owned());
        }
        PostEvent::SlugRefused(refused) => put("slug", refused.slug.clone()),
        PostEvent::Unpublished(_) | PostEvent::Scheduled(_) | PostEvent::Deleted(_) => {}
    }
}
