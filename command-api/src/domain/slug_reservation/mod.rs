//! The reservation of a slug that a person chose: which post has it, or is about to. It stands alone, under an id made of
//! the slug, so the total order of its own partition decides between all who want it. How it and the posts go together is
//! told in `docs/slugs.md`.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use event_schema::event::DomainEvent;
use event_schema::id::PostId;
use event_schema::slug::{SlugConfirmed, SlugEvent, SlugReleased, SlugReserved};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Actor, Context, Denial, Rejection, Rule};
use crate::named_id::named_id;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlugState {
    Free,
    Reserved {
        by: Holding,
        /// From then on another post may ask the holder to give it up. That alone frees nothing.
        until: DateTime<Utc>,
    },
    /// The post is published under it, and has it for ever.
    Confirmed {
        post: PostId,
    },
}

/// A post, and the token under which a slug is reserved for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    pub post: PostId,
    /// The version of the post when it was asked whether it may be published under the slug.
    pub token: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SlugCommand {
    Reserve {
        by: Holding,
        /// How long nobody else may ask for it, in milliseconds of event time.
        hold_millis: u32,
        /// A holding whose post has refused its token: it can come to nothing any more.
        refused: Option<Holding>,
    },
    /// The system's: the post is published under the slug.
    Confirm { post: PostId },
    /// The post has refused the token.
    Release(Holding),
}

/// The reservation of this slug. It stands in the log: how it is made must stay as it is.
pub fn reservation_id(slug: &str) -> Uuid {
    named_id("groot:slug", &[slug.as_bytes()])
}

pub fn evolve(event: &SlugEvent) -> SlugState {
    match event {
        SlugEvent::Reserved(event) => {
            SlugState::Reserved { by: Holding { post: event.post_id, token: event.token }, until: event.until }
        }
        SlugEvent::Confirmed(event) => SlugState::Confirmed { post: event.post_id },
        SlugEvent::Released(_) => SlugState::Free,
    }
}

pub fn decide(
    state: Option<&SlugState>,
    slug: &str,
    command: &SlugCommand,
    context: &Context,
) -> Result<Vec<DomainEvent>, Rejection> {
    if !context.actor.rights().write_own_posts {
        return Err(Rejection::Forbidden(Denial::WritePosts));
    }
    let state = state.copied().unwrap_or(SlugState::Free);
    match command {
        SlugCommand::Reserve { by, hold_millis, refused } => {
            let until = context.now + TimeDelta::milliseconds(i64::from(*hold_millis));
            reserve(state, slug, *by, *refused, (context.now, until))
        }
        SlugCommand::Confirm { .. } if context.actor != Actor::System => Err(Rejection::Forbidden(Denial::SystemOnly)),
        SlugCommand::Confirm { post } => confirm(state, slug, *post),
        SlugCommand::Release(holding) => Ok(match state {
            SlugState::Reserved { by, .. } if by == *holding => vec![released(slug, by)],
            _ => Vec::new(),
        }),
    }
}

fn reserve(
    state: SlugState,
    slug: &str,
    by: Holding,
    refused: Option<Holding>,
    (now, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<DomainEvent>, Rejection> {
    let reserved = SlugReserved { slug: slug.to_owned(), post_id: by.post, token: by.token, until }.into();
    match state {
        SlugState::Free => Ok(vec![reserved]),
        SlugState::Confirmed { post } if post == by.post => Ok(Vec::new()),
        SlugState::Confirmed { .. } => Err(Rejection::RuleBroken(Rule::SlugTaken)),
        // The greatest token stays: a post that refuses it refuses those of all other attempts with it.
        SlugState::Reserved { by: present, .. } if present.post == by.post => {
            Ok(if present.token >= by.token { Vec::new() } else { vec![reserved] })
        }
        SlugState::Reserved { by: present, .. } if refused == Some(present) => {
            Ok(vec![released(slug, present), reserved])
        }
        SlugState::Reserved { by: present, until } if until <= now => Err(Rejection::ReservationExpired(present)),
        SlugState::Reserved { .. } => Err(Rejection::RuleBroken(Rule::SlugTaken)),
    }
}

fn confirm(state: SlugState, slug: &str, post: PostId) -> Result<Vec<DomainEvent>, Rejection> {
    match state {
        SlugState::Reserved { by, .. } if by.post == post => {
            Ok(vec![SlugConfirmed { slug: slug.to_owned(), post_id: post }.into()])
        }
        SlugState::Confirmed { post: present } if present == post => Ok(Vec::new()),
        _ => Err(Rejection::RuleBroken(Rule::SlugTaken)),
    }
}

fn released(slug: &str, holding: Holding) -> DomainEvent {
    SlugReleased { slug: slug.to_owned(), post_id: holding.post, token: holding.token }.into()
}
