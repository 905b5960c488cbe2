//! What everybody may do about a post: like it and comment on it, while it is published.

use super::{PostState, Status};
use crate::domain::{Actor, AggregateState, Rejection, Rule};

/// The post, if there is one and the person may know of it. To everybody else a post that is not published is none.
pub fn known<'a>(root: Option<&'a AggregateState>, actor: &Actor) -> Result<&'a PostState, Rejection> {
    let Some(AggregateState::Post(post)) = root else { return Err(Rejection::NotFound) };
    let rights = actor.rights();
    let own = rights.write_own_posts && actor.is(post.author_id);
    if post.status == Status::Published || own || rights.read_any_post { Ok(post) } else { Err(Rejection::NotFound) }
}

/// Whether it takes likes and comments, and changes of them.
pub fn open(post: &PostState) -> Result<(), Rejection> {
    match post.status {
        Status::Published => Ok(()),
        Status::Draft | Status::Scheduled { .. } => Err(Rejection::RuleBroken(Rule::OnlyPublishedPostsTakeResponses)),
        Status::Deleted { .. } => Err(Rejection::RuleBroken(Rule::DeletedPostsAreOnlyRestored)),
    }
}
