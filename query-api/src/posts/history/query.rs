use mongodb::bson::doc;
use mongodb::options::FindOptions;
use read_model::{PostEventDoc, stored};
use uuid::Uuid;

use crate::page::Page;
use crate::store::{Session, StoreError};

/// One page of the post's events, the oldest first, and how many there are.
pub async fn events(session: &mut Session, post: Uuid, page: Page) -> Result<(Vec<PostEventDoc>, u64), StoreError> {
    let collection = session.names().post_events();
    let filter = doc! { "postId": stored::id(post) };
    let total = session.count(&collection, filter.clone()).await?;
    if page.skip() >= total {
        return Ok((Vec::new(), total));
    }
    let options =
        FindOptions::builder().sort(doc! { "version": 1 }).skip(page.skip()).limit(i64::from(page.limit)).build();
    Ok((session.find(&collection, filter, options).await?, total))
}
