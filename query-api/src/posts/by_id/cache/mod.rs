//! Posts that were read by id, and the names of their authors, kept in memory until they change.
//!
//! What changes is told by MongoDB's change stream, and a page is kept only while that is followed: it is as old as the stream is late.
//! Reads that name a position do not come here.

mod pages;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use read_model::Projection;
use service::problem::Problem;
use tokio::time::timeout;
use uuid::Uuid;

use self::pages::Pages;
use self::shelf::Found;
use super::page::{AuthorName, Page};
use super::query;
use crate::people;
use crate::store::{Change, Moment, QUERY_LIMIT, Session, Store, StoreError};

/// Pages by id, of one store. Cheap to clone.
#[derive(Clone)]
pub struct PostCache {
    store: Store,
    pages: Arc<Pages>,
}

/// How long a read may take that may be kept: a server that lags behind the changes that were told is not waited for. What such a server has is
/// answered and not kept.
const LAG: Duration = Duration::from_secs(1);

impl PostCache {
    /// Of so many bytes of pages in all. Nothing is kept before [`PostCache::begin`].
    pub fn new(store: Store, bytes: u64) -> Self {
        Self { store, pages: Arc::new(Pages::new(bytes)) }
    }

    /// The post with this id, kept or read.
    pub async fn page(&self, id: Uuid) -> Result<Option<Arc<Page>>, Problem> {
        let names = self.store.names().await?;
        // Who finds that somebody else is reading the post waits for them, though not longer than a read may take.
        let place = match timeout(QUERY_LIMIT, self.pages.find(names, id)).await.unwrap_or(Found::Nothing) {
            Found::Kept(kept) => {
                counter!("post_cache_reads_total", "result" => "hit").increment(1);
                return Ok(kept.page());
            }
            Found::Place(place) => place,
            Found::Nothing => {
                counter!("post_cache_reads_total", "result" => "off").increment(1);
                return self.read(&Moment::default(), id).await;
            }
        };
        counter!("post_cache_reads_total", "result" => "miss").increment(1);
        if let Ok(page) = timeout(LAG, self.read(place.moment(), id)).await {
            let page = page?;
            place.keep_page(page.clone());
            return Ok(page);
        }
        drop(place);
        let mut session = self.store.session(&Moment::default()).await?;
        Ok(query::page(&mut session, id).await?.map(Arc::new))
    }

    /// As of this moment or later.
    async fn read(&self, moment: &Moment, id: Uuid) -> Result<Option<Arc<Page>>, Problem> {
        let mut session = self.store.session(moment).await?;
        let Some(post) = query::post(&mut session, id).await? else { return Ok(None) };
        let author = self.author(&mut session, post.author_id).await?;
        Ok(Some(Arc::new(Page::new(post, author)?)))
    }

    /// The name of this person, kept or read.
    async fn author(&self, session: &mut Session, id: Uuid) -> Result<Arc<AuthorName>, StoreError> {
        match timeout(QUERY_LIMIT, self.pages.author(session.names(), id)).await.unwrap_or(Found::Nothing) {
            Found::Kept(name) => return Ok(name),
            Found::Place(place) => {
                // There may have been changes since the session began.
                session.advance(place.moment());
                if let Ok(name) = timeout(LAG, people::query::name(session, id)).await {
                    let name = Arc::new(name?);
                    place.keep(name.clone());
                    return Ok(name);
                }
            }
            Found::Nothing => {}
        }
        let mut session = self.store.session(&Moment::default()).await?;
        Ok(Arc::new(people::query::name(&mut session, id).await?))
    }

    /// From now on all changes after the moment are told.
    pub fn begin(&self, names: Projection, moment: Moment) {
        self.pages.begin(names, moment);
    }

    pub fn changed(&self, change: &Change) {
        self.pages.changed(change);
    }

    /// Changes are not told any more.
    pub fn end(&self) {
        self.pages.end();
    }
}
