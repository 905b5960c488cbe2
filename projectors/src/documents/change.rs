//! What becomes of one post: the whole of it, or what changes of it.
//!
//! Changes are absolute ("the title is now this"), so several in a row fold into one, and applying one to a document
//! that has some of it already ends in the same document.

use chrono::{DateTime, Utc};
use read_model::{Post, PostStatus, PostType};
use thiserror::Error;
use uuid::Uuid;

/// The versions of one post from `first_version` to `version`, folded.
#[derive(Clone, Debug, PartialEq)]
pub struct PostWrite {
    pub id: Uuid,
    /// Applies to a document of the version before this one, or later.
    pub first_version: u64,
    /// What the document's version is afterwards.
    pub version: u64,
    /// Where the last event stands.
    pub partition: u32,
    pub offset: i64,
    pub change: PostChange,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PostChange {
    /// The post from its creation on. Its version, partition and offset are those of the [`PostWrite`].
    Whole(Box<Post>),
    Part(Box<PostPatch>),
}

/// What changes of a post; `None` stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct PostPatch {
    pub post_type: Option<PostType>,
    pub title: Option<String>,
    pub content: Option<Content>,
    pub excerpt: Option<Option<String>>,
    pub tags: Option<Vec<String>>,
    pub category: Option<Option<String>>,
    pub media: Option<Vec<Uuid>>,
    pub author_id: Option<Uuid>,
    pub slug: Option<String>,
    pub published_at: Option<DateTime<Utc>>,
    pub standing: Option<Standing>,
    pub updated_at: DateTime<Utc>,
}

/// Markdown and what it renders to.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub markdown: String,
    pub html: String,
}

/// The status and what depends on it: all of it changes together.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub status: PostStatus,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub before_delete: BeforeDelete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeforeDelete {
    /// The post is not deleted.
    None,
    Was(PostStatus),
    /// Whatever [`status_to_restore`] makes of the status that the stored document has.
    AsStored,
}

/// A post's events do not follow one another.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("post {id} has an event of version {found} after one of version {before}")]
pub struct OutOfOrder {
    pub id: Uuid,
    pub before: u64,
    pub found: u64,
}

impl PostPatch {
    pub fn at(updated_at: DateTime<Utc>) -> Self {
        Self {
            post_type: None,
            title: None,
            content: None,
            excerpt: None,
            tags: None,
            category: None,
            media: None,
            author_id: None,
            slug: None,
            published_at: None,
            standing: None,
            updated_at,
        }
    }

    /// The patch of an event that changes the status.
    pub fn to(updated_at: DateTime<Utc>, standing: Standing) -> Self {
        Self { standing: Some(standing), ..Self::at(updated_at) }
    }
}

impl Standing {
    pub fn plain(status: PostStatus) -> Self {
        Self { status, scheduled_at: None, deleted_at: None, before_delete: BeforeDelete::None }
    }
}

/// What a restore gives back to a post deleted in this status: a deletion cancels a schedule.
pub fn status_to_restore(status: PostStatus) -> PostStatus {
    match status {
        PostStatus::Scheduled => PostStatus::Draft,
        other => other,
    }
}

impl PostWrite {
    /// The post, where this is the whole of it.
    pub fn whole(&self) -> Option<&Post> {
        match &self.change {
            PostChange::Whole(post) => Some(post),
            PostChange::Part(_) => None,
        }
    }

    /// Folds the next events of the same post into this write. Events that it holds already change nothing.
    pub fn follow(&mut self, next: PostWrite) -> Result<(), OutOfOrder> {
        if next.version <= self.version {
            return Ok(());
        }
        if next.first_version != self.version + 1 {
            return Err(OutOfOrder { id: self.id, before: self.version, found: next.first_version });
        }
        match (&mut self.change, next.change) {
            (PostChange::Whole(post), PostChange::Part(patch)) => apply(post, *patch),
            (PostChange::Part(patch), PostChange::Part(later)) => merge(patch, *later),
            // Only version 1 is whole, and nothing comes before it.
            (change, whole @ PostChange::Whole(_)) => *change = whole,
        }
        self.version = next.version;
        self.partition = next.partition;
        self.offset = next.offset;
        if let PostChange::Whole(post) = &mut self.change {
            post.version = self.version;
            post.partition = self.partition;
            post.offset = self.offset;
        }
        Ok(())
    }
}

fn apply(post: &mut Post, patch: PostPatch) {
    set(&mut post.post_type, patch.post_type);
    set(&mut post.title, patch.title);
    if let Some(Content { markdown, html }) = patch.content {
        post.content = markdown;
        post.html = html;
    }
    set(&mut post.excerpt, patch.excerpt);
    set(&mut post.tags, patch.tags);
    set(&mut post.category, patch.category);
    set(&mut post.media, patch.media);
    set(&mut post.author_id, patch.author_id);
    set_option(&mut post.slug, patch.slug);
    set_option(&mut post.published_at, patch.published_at);
    if let Some(standing) = patch.standing {
        post.status_before_delete = match standing.before_delete {
            BeforeDelete::None => None,
            BeforeDelete::Was(status) => Some(status),
            BeforeDelete::AsStored => Some(status_to_restore(post.status)),
        };
        post.status = standing.status;
        post.scheduled_at = standing.scheduled_at;
        post.deleted_at = standing.deleted_at;
    }
    post.updated_at = patch.updated_at;
}

fn merge(patch: &mut PostPatch, later: PostPatch) {
    set_option(&mut patch.post_type, later.post_type);
    set_option(&mut patch.title, later.title);
    set_option(&mut patch.content, later.content);
    set_option(&mut patch.excerpt, later.excerpt);
    set_option(&mut patch.tags, later.tags);
    set_option(&mut patch.category, later.category);
    set_option(&mut patch.media, later.media);
    set_option(&mut patch.author_id, later.author_id);
    set_option(&mut patch.slug, later.slug);
    set_option(&mut patch.published_at, later.published_at);
    if let Some(mut standing) = later.standing {
        if let (BeforeDelete::AsStored, Some(before)) = (standing.before_delete, &patch.standing) {
            standing.before_delete = BeforeDelete::Was(status_to_restore(before.status));
        }
        patch.standing = Some(standing);
    }
    patch.updated_at = later.updated_at;
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn set_option<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}
