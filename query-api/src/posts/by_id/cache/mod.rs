//! Posts that were read by id, and the names of their authors, kept in memory until they change.
//!
//! What changes is told by MongoDB's change stream, and a page is kept only while that is followed: it is as old as the stream is late.
//! Reads that name a position do not come here.

mod pages;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use service::problem::{Problem, chain};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::pages::Pages;
use self::shelf::Found;
use super::page::{AuthorName, Page};
use super::query;
use crate::people;
use crate::store::{Followed, Moment, QUERY_LIMIT, Session, Store, StoreError, Told};

/// Pages by id, of one store. Cheap to clone.
#[derive(Clone)]
pub struct PostCache {
    store: Store,
    pages: Arc<Pages>,
}

/// How often it is looked whether another version is live.
const GLANCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(1);
/// How long a read may take that may be kept: a server that lags behind the changes that were told is not waited for. What such a server has is
/// answered and not kept.
const LAG: Duration = Duration::from_secs(1);

impl PostCache {
    /// Of so many bytes of pages in all. Nothing is kept before [`PostCache::keep_following`] runs.
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

    /// Follows what changes, until cancelled.
    pub async fn keep_following(self, cancel: CancellationToken) {
        let forever = async {
            let mut is_known = false;
            loop {
                let ended = match self.store.changes().await {
                    Ok(followed) => {
                        is_known = false;
                        self.follow(followed).await
                    }
                    Err(error) => Err(error),
                };
                self.pages.end();
                if let Err(error) = ended
                    && !std::mem::replace(&mut is_known, true)
                {
                    tracing::warn!(
                        error = chain(&error),
                        "posts are not kept in memory until their changes can be followed again"
                    );
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        cancel.run_until_cancelled(forever).await;
    }

    async fn follow(&self, Followed { mut changes, moment, names }: Followed) -> Result<(), StoreError> {
        self.pages.begin(names, moment);
        let mut glanced = Instant::now();
        loop {
            match changes.next().await? {
                Told::Change(change) => self.pages.changed(&change),
                Told::Nothing => {}
                Told::End => return Ok(()),
            }
            if glanced.elapsed() >= GLANCE {
                if self.store.names().await? != names {
                    return Ok(());
                }
                glanced = Instant::now();
            }
        }
    }
}
