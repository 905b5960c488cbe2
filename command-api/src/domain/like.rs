//! Likes: one a person and post, by identity. A like is decided together with its post, whose partition it stands in; why
//! is told in `docs/adr/`.

use event_schema::event::DomainEvent;
use event_schema::id::{PersonId, PostId};
use event_schema::like::{LikeEvent, PostLiked, PostUnliked};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::post::responses;
use super::{AggregateState, Context, Denial, Rejection};
use crate::named_id::named_id;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikeState {
    pub liked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LikeCommand {
    Like,
    Unlike,
}

/// The like of this person for this post. It stands in the log: how it is made must stay as it is.
pub fn like_id(post: PostId, person: PersonId) -> Uuid {
    named_id("groot:like", &[post.as_uuid().as_bytes(), person.as_uuid().as_bytes()])
}

pub fn evolve(event: &LikeEvent) -> LikeState {
    match event {
        LikeEvent::Liked(_) => LikeState { liked: true },
        LikeEvent::Unliked(_) => LikeState { liked: false },
    }
}

pub fn decide(
    state: Option<&LikeState>,
    root: Option<&AggregateState>,
    (post_id, person_id): (PostId, PersonId),
    command: LikeCommand,
    context: &Context,
) -> Result<Vec<DomainEvent>, Rejection> {
    let Context { actor, version, expected_version, .. } = context;
    if !actor.rights().like_posts || !actor.is(person_id) {
        return Err(Rejection::Forbidden(Denial::LikePosts));
    }
    let post = responses::known(root, actor)?;
    if expected_version.is_some_and(|expected| expected != *version) {
        return Err(Rejection::VersionMismatch { current: *version });
    }
    responses::open(post)?;
    let liked = state.is_some_and(|state| state.liked);
    Ok(match command {
        LikeCommand::Like if !liked => vec![PostLiked { post_id, person_id }.into()],
        LikeCommand::Unlike if liked => vec![PostUnliked { post_id, person_id }.into()],
        LikeCommand::Like | LikeCommand::Unlike => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::LikeCommand::*;
    use super::*;
    use crate::domain::spec::*;
    use crate::domain::{Actor, Rights, Rule};

    fn liked() -> DomainEvent {
        PostLiked { post_id: id(), person_id: READER_ID }.into()
    }

    fn unliked() -> DomainEvent {
        PostUnliked { post_id: id(), person_id: READER_ID }.into()
    }

    #[test]
    fn everybody_with_a_token_likes_a_published_post() {
        for actor in [READER, AUTHOR, OTHER_AUTHOR, EDITOR, ADMIN] {
            let event = PostLiked { post_id: id(), person_id: id_of(&actor) };
            given_nothing().under(published_post()).when_like(&actor, Like).then(event);
        }
    }

    #[test]
    fn a_like_counts_once_and_is_taken_back_once() {
        given_nothing()
            .under(published_post())
            .when_like(&READER, Unlike)
            .then_nothing_happens()
            .when_like(&READER, Like)
            .then(liked())
            .when_like(&READER, Like)
            .then_nothing_happens()
            .when_like(&READER, Unlike)
            .then(unliked())
            .when_like(&READER, Unlike)
            .then_nothing_happens()
            .when_like(&READER, Like)
            .then(liked());
    }

    #[test]
    fn a_post_that_is_not_there_is_not_liked() {
        for command in [Like, Unlike] {
            given_nothing().when_like(&ADMIN, command).then_refused(Rejection::NotFound);
        }
    }

    #[test]
    fn an_unpublished_post_is_none_to_those_who_may_not_see_it_and_takes_no_likes_from_the_others() {
        for (post, rule) in [
            (draft_post(), Rule::OnlyPublishedPostsTakeResponses),
            (scheduled_post(), Rule::OnlyPublishedPostsTakeResponses),
            (deleted_post(), Rule::DeletedPostsAreOnlyRestored),
        ] {
            for command in [Like, Unlike] {
                for actor in [READER, OTHER_AUTHOR] {
                    given([liked()]).under(post.clone()).when_like(&actor, command).then_refused(Rejection::NotFound);
                }
                for actor in [AUTHOR, EDITOR, ADMIN] {
                    given([liked()])
                        .under(post.clone())
                        .when_like(&actor, command)
                        .then_refused(Rejection::RuleBroken(rule));
                }
            }
        }
    }

    #[test]
    fn a_token_without_the_permission_likes_nothing() {
        let Actor::Person { id, rights } = READER else { panic!("a reader is a person") };
        let actor = Actor::Person { id, rights: Rights { like_posts: false, ..rights } };
        for actor in [actor, Actor::System] {
            given_nothing()
                .under(published_post())
                .when_like(&actor, Like)
                .then_refused(Rejection::Forbidden(Denial::LikePosts));
        }
    }

    #[test]
    fn the_version_is_that_of_the_like() {
        let given = || given([liked()]).under(published_post());
        given().when_like_seen(2, &READER, Unlike).then_refused(Rejection::VersionMismatch { current: 1 });
        given().when_like_seen(1, &READER, Unlike).then(unliked());
    }

    #[test]
    fn a_like_has_one_id_for_ever() {
        let id = |post, person| like_id(PostId::new(Uuid::from_u128(post)), PersonId::new(Uuid::from_u128(person)));
        assert_eq!(id(1, 2).to_string(), "97cd52f7-394d-87c7-adae-78f61b135e56");
        assert_ne!(id(1, 2), id(2, 1));
        assert_ne!(id(1, 2), id(1, 3));
    }
}
