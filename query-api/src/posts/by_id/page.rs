//! A post as everybody gets it who may see it.

use std::sync::Arc;

use read_model::{Post, PostStatus};
use service::problem::Problem;
use uuid::Uuid;

use crate::posts::view::PostView;
use crate::read::Rendered;
use crate::viewer::{Sight, Viewer};

/// None for somebody who is known only by a token.
pub type AuthorName = Option<String>;

/// The answer to a read by id, and what decides who gets it.
#[derive(Debug)]
pub struct Page {
    status: PostStatus,
    pub author_id: Uuid,
    pub slug: Option<String>,
    /// As it is shown.
    pub author: Arc<AuthorName>,
    pub answer: Rendered,
    /// Where in the log the last event is that it shows.
    pub partition: u32,
    pub offset: i64,
}

impl Page {
    pub fn new(post: Post, author: Arc<AuthorName>) -> Result<Self, Problem> {
        let (status, author_id) = (post.status, post.author_id);
        let (partition, offset, version) = (post.partition, post.last_offset(), post.version);
        let slug = post.slug.clone();
        let answer = Rendered::of(&PostView::new(post, (*author).clone()), Some(version))?;
        Ok(Self { status, author_id, slug, author, answer, partition, offset })
    }

    pub fn sight(&self, viewer: Viewer) -> Sight {
        viewer.sees_one(self.status, self.author_id)
    }
}
