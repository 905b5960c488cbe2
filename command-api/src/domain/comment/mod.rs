//! Comments: their events ([`event_schema::comment`]), state and `evolve`, commands and `decide`. A comment is decided
//! together with its post, whose partition it stands in; why is told in `docs/adr/`.

#[cfg(test)]
mod tests;

use event_schema::comment::{CommentAdded, CommentDeleted, CommentEdited, CommentEvent};
use event_schema::event::DomainEvent;
use event_schema::id::{PersonId, PostId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::post::{ContentHash, responses};
use super::{Actor, AggregateState, Context, Denial, Rejection, Rule};

/// Small whatever the comment holds: of the content only a hash is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommentState {
    pub post_id: PostId,
    pub author_id: PersonId,
    pub content: ContentHash,
    pub deleted: bool,
}

/// What can be asked of a comment. The content has passed [`super::fields::comment`] already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CommentCommand {
    Add {
        content: String,
    },
    /// `None` is "as it is".
    Edit {
        content: Option<String>,
    },
    Delete,
}

pub fn evolve(state: Option<CommentState>, event: &CommentEvent) -> CommentState {
    let state = state.unwrap_or_else(|| unwritten(event.post_id()));
    match event {
        CommentEvent::Added(event) => CommentState {
            post_id: event.post_id,
            author_id: event.author_id,
            content: ContentHash::of(&event.content),
            deleted: false,
        },
        CommentEvent::Edited(event) => CommentState { content: ContentHash::of(&event.content), ..state },
        CommentEvent::Deleted(_) => CommentState { deleted: true, ..state },
    }
}

/// What an event that is not the first finds where nothing was added. No command leads there, but reading must not fail.
fn unwritten(post_id: PostId) -> CommentState {
    CommentState { post_id, author_id: PersonId::new(Uuid::nil()), content: ContentHash::of(""), deleted: false }
}

pub fn decide(
    state: Option<&CommentState>,
    root: Option<&AggregateState>,
    post_id: PostId,
    command: &CommentCommand,
    context: &Context,
) -> Result<Vec<DomainEvent>, Rejection> {
    let Context { actor, version, expected_version, .. } = context;
    let rights = actor.rights();
    let moderates = rights.moderate_comments && *command == CommentCommand::Delete;
    if !rights.comment && !moderates {
        return Err(Rejection::Forbidden(Denial::Comment));
    }
    let post = responses::known(root, actor)?;
    let state = match (command, state) {
        (CommentCommand::Add { content }, None) => {
            responses::open(post)?;
            return add(post_id, actor, content);
        }
        (CommentCommand::Add { .. }, Some(_)) => return Err(Rejection::AlreadyExists),
        (_, None) => return Err(Rejection::NotFound),
        // Named under another post of the same partition.
        (_, Some(state)) if state.post_id != post_id => return Err(Rejection::NotFound),
        (_, Some(state)) => state,
    };
    authorize(state, command, actor, moderates)?;
    if expected_version.is_some_and(|expected| expected != *version) {
        return Err(Rejection::VersionMismatch { current: *version });
    }
    responses::open(post)?;
    if state.deleted {
        return Err(Rejection::RuleBroken(Rule::DeletedCommentsStayDeleted));
    }
    match command {
        CommentCommand::Add { .. } => Err(Rejection::AlreadyExists),
        CommentCommand::Edit { content } => {
            let changed = content.iter().filter(|content| ContentHash::of(content) != state.content);
            Ok(changed.map(|content| CommentEdited { post_id, content: content.clone() }.into()).collect())
        }
        CommentCommand::Delete => Ok(vec![CommentDeleted { post_id }.into()]),
    }
}

fn add(post_id: PostId, actor: &Actor, content: &str) -> Result<Vec<DomainEvent>, Rejection> {
    match actor {
        Actor::Person { id, .. } => {
            Ok(vec![CommentAdded { post_id, author_id: *id, content: content.to_owned() }.into()])
        }
        // A comment is somebody's.
        Actor::System => Err(Rejection::Forbidden(Denial::Comment)),
    }
}

/// Nobody changes the words of another; editors and admins may take them away.
fn authorize(state: &CommentState, command: &CommentCommand, actor: &Actor, moderates: bool) -> Result<(), Rejection> {
    if actor.is(state.author_id) || moderates {
        return Ok(());
    }
    Err(Rejection::Forbidden(match command {
        CommentCommand::Delete => Denial::DeleteCommentsOfOthers,
        CommentCommand::Add { .. } | CommentCommand::Edit { .. } => Denial::EditCommentsOfOthers,
    }))
}
