use mongodb::bson::doc;
use mongodb::options::FindOptions;
use read_model::Post;

use super::filter::{filter, sort};
use super::params::{ListParams, Order};
use crate::cursor::{Cursor, after};
use crate::page::Page;
use crate::shared::Answers;
use crate::store::{Session, StoreError};
use crate::viewer::Viewer;

/// How many posts there are of a filter in a collection, as it was counted last.
pub type Totals = Answers<u64, StoreError>;

/// Filters whose totals are remembered.
pub const TOTALS: usize = 1_000;

/// The posts of one page and how many there are on all. Counting many posts takes the server a second, so whoever comes while the same are
/// counted, or within a second after it, gets that number, if there are `totals`. What is on the page is always what is there now.
pub async fn page(
    session: &mut Session,
    params: &ListParams,
    page: Page,
    viewer: Viewer,
    totals: Option<&Totals>,
) -> Result<(Vec<Post>, u64), StoreError> {
    let Some(filter) = filter(&params.filters, viewer) else {
        return Ok((Vec::new(), 0));
    };
    let posts = session.names().posts();
    // The text of a filter says where each of its strings ends, whatever is in them.
    let shared = totals.zip(serde_json::to_string(&(&posts, &filter)).ok());
    let mut count = async || session.count(&posts, filter.clone()).await;
    let total = match &shared {
        Some((totals, question)) => totals.to(question).get(count).await?,
        None => count().await?,
    };
    if shared.is_none() && page.skip() >= total {
        return Ok((Vec::new(), total));
    }
    let mut options = options(params.order, page.limit);
    options.skip = Some(page.skip());
    let found: Vec<Post> = session.find(&posts, filter, options).await?;
    let seen = if found.is_empty() { 0 } else { page.skip() + found.len() as u64 };
    Ok((found, total.max(seen)))
}

/// The posts after the cursor and the cursor that goes on, if there are more.
pub async fn walk(
    session: &mut Session,
    params: &ListParams,
    cursor: Option<&Cursor>,
    viewer: Viewer,
) -> Result<(Vec<Post>, Option<String>), StoreError> {
    let Some(filter) = filter(&params.filters, viewer) else {
        return Ok((Vec::new(), None));
    };
    let filter = match cursor {
        Some(cursor) => after(filter, cursor, params.order.by.field(), params.order.descending),
        None => filter,
    };
    // One more than asked for tells whether there are more.
    let options = options(params.order, params.limit + 1);
    let mut posts: Vec<Post> = session.find(&session.names().posts(), filter, options).await?;
    let limit = params.limit as usize;
    let more = posts.len() > limit;
    posts.truncate(limit);
    let next = posts.last().filter(|_| more).map(|last| params.after(last));
    Ok((posts, next))
}

/// Lists go without the texts: a hundred posts of a mebibyte each would be an answer for nobody.
fn options(order: Order, limit: u32) -> FindOptions {
    let mut options = without_texts();
    options.sort = Some(sort(order));
    options.limit = Some(i64::from(limit));
    options
}

/// Posts with everything but their texts.
pub fn without_texts() -> FindOptions {
    FindOptions::builder().projection(doc! { "content": 0, "html": 0 }).build()
}
