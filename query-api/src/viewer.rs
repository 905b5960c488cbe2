//! Who reads, and what that lets them see.

use read_model::{Post, PostStatus};
use service::auth::{Actor, Permission};
use uuid::Uuid;

/// A reader's reach over posts. Published posts are for everybody; the rest is for those who may write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Nobody known, or somebody who writes no posts.
    Public,
    /// Somebody who writes posts of their own.
    Author(Uuid),
    /// Somebody who may read and write every post.
    Editor,
}

/// What a viewer gets of one post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Visible,
    /// It is deleted, and the viewer may know so: they may restore it.
    Gone,
    /// As if it did not exist.
    Hidden,
}

impl Viewer {
    pub fn of(actor: Option<&Actor>) -> Self {
        match actor {
            Some(actor) if actor.may(Permission::ReadAnyPost) => Viewer::Editor,
            Some(actor) if actor.may(Permission::WriteOwnPosts) => Viewer::Author(actor.id),
            _ => Viewer::Public,
        }
    }

    pub fn sees(self, post: &Post) -> Sight {
        self.sees_one(post.status, post.author_id)
    }

    /// A post of this status and author.
    pub fn sees_one(self, status: PostStatus, author: Uuid) -> Sight {
        match status {
            PostStatus::Published => Sight::Visible,
            _ if !self.reaches_all_of(author) => Sight::Hidden,
            PostStatus::Deleted => Sight::Gone,
            PostStatus::Draft | PostStatus::Scheduled => Sight::Visible,
        }
    }

    /// Whether this author's unpublished and deleted posts are for the viewer too.
    pub fn reaches_all_of(self, author: Uuid) -> bool {
        match self {
            Viewer::Public => false,
            Viewer::Author(own) => own == author,
            Viewer::Editor => true,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chrono::DateTime;
    use read_model::PostType;
    use service::auth::Role;

    const OWN: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn viewer(role: Role) -> Viewer {
        Viewer::of(Some(&Actor::new(OWN, None, role)))
    }

    pub(crate) fn post(status: PostStatus, author_id: Uuid) -> Post {
        let time = DateTime::from_timestamp_millis(0).unwrap();
        Post {
            id: Uuid::from_u128(9),
            post_type: PostType::Note,
            title: "A title".into(),
            content: "Some *text*".into(),
            html: "<p>Some <em>text</em></p>".into(),
            excerpt: None,
            tags: Vec::new(),
            category: None,
            media: Vec::new(),
            status,
            author_id,
            slug: None,
            created_at: time,
            updated_at: time,
            published_at: None,
            scheduled_at: None,
            deleted_at: None,
            status_before_delete: None,
            likes: 0,
            comments: 0,
            counted_to: -1,
            version: 1,
            partition: 0,
            offset: 0,
        }
    }

    #[test]
    fn everybody_sees_a_published_post() {
        for viewer in [Viewer::Public, viewer(Role::Reader), viewer(Role::Author), viewer(Role::Admin)] {
            assert_eq!(viewer.sees(&post(PostStatus::Published, OTHER)), Sight::Visible);
        }
    }

    #[test]
    fn a_reader_sees_no_unpublished_post_not_even_their_own() {
        for status in [PostStatus::Draft, PostStatus::Scheduled, PostStatus::Deleted] {
            assert_eq!(viewer(Role::Reader).sees(&post(status, OWN)), Sight::Hidden);
            assert_eq!(Viewer::of(None).sees(&post(status, OWN)), Sight::Hidden);
        }
    }

    #[test]
    fn an_author_sees_their_own_drafts_and_nobody_elses() {
        let author = viewer(Role::Author);
        assert_eq!(author.sees(&post(PostStatus::Draft, OWN)), Sight::Visible);
        assert_eq!(author.sees(&post(PostStatus::Scheduled, OWN)), Sight::Visible);
        assert_eq!(author.sees(&post(PostStatus::Draft, OTHER)), Sight::Hidden);
    }

    #[test]
    fn a_deleted_post_is_gone_to_those_who_may_write_it_and_hidden_to_others() {
        assert_eq!(viewer(Role::Author).sees(&post(PostStatus::Deleted, OWN)), Sight::Gone);
        assert_eq!(viewer(Role::Author).sees(&post(PostStatus::Deleted, OTHER)), Sight::Hidden);
        assert_eq!(viewer(Role::Editor).sees(&post(PostStatus::Deleted, OTHER)), Sight::Gone);
        assert_eq!(viewer(Role::Admin).sees(&post(PostStatus::Deleted, OTHER)), Sight::Gone);
    }

    #[test]
    fn an_editor_whose_token_is_restricted_reaches_no_further_than_the_token() {
        let restricted = Actor::new(OWN, None, Role::Editor).restricted_to(Role::Author.permissions());
        assert_eq!(Viewer::of(Some(&restricted)), Viewer::Author(OWN));
    }
}
