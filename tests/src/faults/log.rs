//! What the log says, as the one reader rule has it, in the words of the checker.

use event_schema::comment::CommentEvent;
use event_schema::event::DomainEvent;
use event_schema::id::PersonId;
use event_schema::like::LikeEvent;
use event_schema::post::{PostEvent, RestoredStatus};
use projectors::event::LoggedEvent;
use service::token::PositionToken;
use uuid::Uuid;

use crate::evidence::Fact;

/// A commit that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The operation whose trace its events carry.
    pub operation: u64,
    pub command: Uuid,
    pub aggregate: Uuid,
    /// The post that it belongs to, which is the aggregate itself where it is one.
    pub post: Uuid,
    /// Its events, in order, each with the version of the aggregate after it.
    pub events: Vec<(u64, What)>,
    /// That it publishes a post under.
    pub slug: Option<String>,
    pub position: PositionToken,
}

/// What the rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Created,
    Published,
    /// By its owner, at this event time, since it was due.
    PublishedWhenDue {
        at_millis: i64,
    },
    Unpublished,
    Scheduled {
        at_millis: i64,
    },
    Deleted,
    Restored {
        published: bool,
    },
    /// Anything else that is done to a post.
    Edited,
    /// Of the slug's reservation, or of a post that will not have it: what a publication under a chosen slug comes to beside the publication.
    SlugStep,
    /// A comment was added or changed.
    Commented,
    Liked(PersonId),
    Unliked(PersonId),
}

impl Written {
    pub fn of(fact: &Fact) -> Self {
        let events = fact.events.iter().map(|event| (event.meta.version, What::of(event))).collect();
        let first = fact.events.first();
        let slug = fact.events.iter().find_map(|event| match &event.event {
            DomainEvent::Post(PostEvent::Published(event)) => Some(event.slug.clone()),
            _ => None,
        });
        Self {
            operation: operation_of(first.map_or(Uuid::nil(), |event| event.meta.correlation_id)),
            command: fact.command,
            aggregate: fact.aggregate,
            post: first.map_or(fact.aggregate, |event| event.event.key(fact.aggregate)),
            events,
            slug,
            position: fact.position,
        }
    }

    /// Whether it is no more than a step to a publication, which the operation may have several of.
    pub fn is_slug_step(&self) -> bool {
        self.events.iter().all(|(_, what)| *what == What::SlugStep)
    }

    /// Whether its owner made it, because a post was due.
    pub fn is_when_due(&self) -> bool {
        self.events.iter().all(|(_, what)| matches!(what, What::PublishedWhenDue { .. }))
    }

    /// The version of the aggregate after it.
    pub fn version(&self) -> u64 {
        self.events.last().map_or(0, |(version, _)| *version)
    }
}

impl What {
    fn of(event: &LoggedEvent) -> Self {
        match &event.event {
            DomainEvent::Post(PostEvent::Created(_)) | DomainEvent::Person(_) => Self::Created,
            DomainEvent::Post(PostEvent::Published(published)) if published.scheduled => {
                Self::PublishedWhenDue { at_millis: event.meta.time.timestamp_millis() }
            }
            DomainEvent::Post(PostEvent::Published(_)) => Self::Published,
            DomainEvent::Post(PostEvent::Unpublished(_)) => Self::Unpublished,
            DomainEvent::Post(PostEvent::Scheduled(event)) => {
                Self::Scheduled { at_millis: event.at.timestamp_millis() }
            }
            DomainEvent::Post(PostEvent::Deleted(_)) => Self::Deleted,
            DomainEvent::Post(PostEvent::Restored(event)) => {
                Self::Restored { published: event.status == RestoredStatus::Published }
            }
            DomainEvent::Post(PostEvent::Edited(_)) => Self::Edited,
            DomainEvent::Post(PostEvent::SlugRefused(_)) | DomainEvent::Slug(_) => Self::SlugStep,
            DomainEvent::Comment(CommentEvent::Added(_) | CommentEvent::Edited(_) | CommentEvent::Deleted(_)) => {
                Self::Commented
            }
            DomainEvent::Like(LikeEvent::Liked(like)) => Self::Liked(like.person_id),
            DomainEvent::Like(LikeEvent::Unliked(like)) => Self::Unliked(like.person_id),
        }
    }
}

/// The `traceparent` of one attempt. Its trace names the operation: events carry it as their correlation id.
pub fn traceparent(operation: u64, attempt: u64) -> String {
    format!("00-{:032x}-{:016x}-01", trace_of(operation).as_u128(), attempt + 1)
}

pub fn trace_of(operation: u64) -> Uuid {
    Uuid::from_u128(MARK | u128::from(operation))
}

/// Tells the traces of operations from those that programs make up.
const MARK: u128 = 0xFA17 << 112;

/// 0 for a trace that is no operation's.
fn operation_of(trace: Uuid) -> u64 {
    let (mark, operation) = (trace.as_u128() & !u128::from(u64::MAX), trace.as_u128() as u64);
    if mark == MARK { operation } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_names_its_operation_and_others_name_none() {
        assert_eq!(operation_of(trace_of(42)), 42);
        assert_eq!(operation_of(Uuid::now_v7()), 0);
        assert!(traceparent(42, 0).contains(&trace_of(42).simple().to_string()));
    }
}
