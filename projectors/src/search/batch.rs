//! The events of a batch that change posts, by post.

use std::collections::HashMap;

use event_schema::event::DomainEvent;
use event_schema::post::PostEvent;
use uuid::Uuid;

use crate::event::LoggedEvent;
use crate::markdown;
use crate::search::fold::OutOfOrder;

/// The posts in the order in which they were first met.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub posts: Vec<PostEvents>,
}

/// What happened to one post, in order and without a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct PostEvents {
    pub id: Uuid,
    /// One or more.
    pub events: Vec<Happened>,
}

/// One event of a post, with its content as plain text in place of Markdown.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    pub version: u64,
    pub partition: u32,
    pub offset: u64,
    pub at: chrono::DateTime<chrono::Utc>,
    pub event: PostEvent,
}

impl Batch {
    /// Sorts the events, which stand in the order of the log. What is no post's changes nothing here: likes and comments are joined by
    /// whoever reads, as names are.
    pub fn of(events: &[LoggedEvent]) -> Result<Self, OutOfOrder> {
        let mut batch = Self::default();
        let mut places = HashMap::<Uuid, usize>::new();
        for logged in events {
            let DomainEvent::Post(event) = &logged.event else { continue };
            let id = logged.meta.aggregate_id;
            let place = *places.entry(id).or_insert_with(|| {
                batch.posts.push(PostEvents { id, events: Vec::new() });
                batch.posts.len() - 1
            });
            batch.posts[place].add(happened(logged, event))?;
        }
        Ok(batch)
    }
}

impl PostEvents {
    /// An event that was added before changes nothing.
    fn add(&mut self, next: Happened) -> Result<(), OutOfOrder> {
        if let Some(last) = self.events.last() {
            if next.version <= last.version {
                return Ok(());
            }
            if next.version != last.version + 1 {
                return Err(OutOfOrder { id: self.id, before: last.version, found: next.version });
            }
        }
        self.events.push(next);
        Ok(())
    }
}

fn happened(logged: &LoggedEvent, event: &PostEvent) -> Happened {
    let mut event = event.clone();
    match &mut event {
        PostEvent::Created(created) => created.content = markdown::plain(&created.content),
        PostEvent::Edited(edited) => edited.content = edited.content.as_deref().map(markdown::plain),
        _ => {}
    }
    Happened {
        version: logged.meta.version,
        partition: logged.partition,
        offset: logged.offset,
        at: logged.meta.time,
        event,
    }
}
