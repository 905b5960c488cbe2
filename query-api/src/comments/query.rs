use mongodb::bson::{Bson, Document, doc};
use mongodb::options::FindOptions;
use read_model::{Comment, stored};
use uuid::Uuid;

use super::params::{CommentParams, SORTED_BY};
use crate::cursor::{Cursor, after};
use crate::page::Page;
use crate::store::{Session, StoreError};

/// The comments of one page. How many there are on all stands on the post.
pub async fn page(
    session: &mut Session,
    post: Uuid,
    params: &CommentParams,
    page: Page,
) -> Result<Vec<Comment>, StoreError> {
    let mut options = options(params.descending, page.limit);
    options.skip = Some(page.skip());
    session.find(&session.names().comments(), standing(post), options).await
}

/// The comments after the cursor and the cursor that goes on, if there are more.
pub async fn walk(
    session: &mut Session,
    post: Uuid,
    params: &CommentParams,
    cursor: Option<&Cursor>,
) -> Result<(Vec<Comment>, Option<String>), StoreError> {
    let filter = match cursor {
        Some(cursor) => after(standing(post), cursor, SORTED_BY, params.descending),
        None => standing(post),
    };
    // One more than asked for tells whether there are more.
    let options = options(params.descending, params.limit + 1);
    let mut comments: Vec<Comment> = session.find(&session.names().comments(), filter, options).await?;
    let limit = params.limit as usize;
    let more = comments.len() > limit;
    comments.truncate(limit);
    let next = comments.last().filter(|_| more).map(|last| params.after(last));
    Ok((comments, next))
}

fn standing(post: Uuid) -> Document {
    doc! { "postId": stored::id(post), "deletedAt": Bson::Null }
}

fn options(descending: bool, limit: u32) -> FindOptions {
    let direction = if descending { -1 } else { 1 };
    FindOptions::builder().sort(doc! { SORTED_BY: direction, "_id": direction }).limit(i64::from(limit)).build()
}
