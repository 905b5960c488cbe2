//! The pages themselves, and the rules by which none is older than the last change that was told.
//!
//! - Of each time that the changes are followed nothing is left from before: what happened in between is not told.
//! - A read sees all changes that were told before it began, whichever server answers it.
//! - A change takes the page away, and the place of a read that is under way as well: what that read finds is not kept.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use quick_cache::sync::{Cache, DefaultLifecycle, EntryAction, EntryResult, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use read_model::Projection;
use tokio::time::Instant;
use uuid::Uuid;

use crate::posts::by_id::page::Page;
use crate::store::{Change, Moment};

pub struct Pages {
    kept: Cache<Key, Kept, ByBytes>,
    following: RwLock<Following>,
}

#[derive(Default)]
struct Following {
    /// How many times changes were begun to be followed.
    times: u64,
    /// The version whose changes they are. None while nobody follows.
    names: Option<Projection>,
    /// Of the last change that was told.
    moment: Moment,
}

/// Which time the changes are followed, and the post.
type Key = (u64, Uuid);

/// A page, or that there is none.
#[derive(Clone)]
struct Kept {
    page: Option<Arc<Page>>,
    since: Instant,
}

/// What there is of a post.
pub enum Found<'a> {
    Kept(Option<Arc<Page>>),
    /// It is to be read and put there.
    Place(Place<'a>),
    /// It is to be read and not kept: nobody follows what changes, or somebody else takes too long to read it.
    Nothing,
}

/// Where a post is awaited that somebody reads.
pub struct Place<'a> {
    guard: PlaceholderGuard<'a, Key, Kept, ByBytes, DefaultHashBuilder, DefaultLifecycle<Key, Kept>>,
    moment: Moment,
}

#[derive(Clone)]
struct ByBytes;

/// The name of the author is as old as the page, and this old at the most.
const HOLDS: Duration = Duration::from_secs(300);
/// What a page takes beside its body, about.
const OVERHEAD: u64 = 512;
/// Bytes of a body, about, from which it is estimated how many there may be.
const BODY: u64 = 2_048;
/// So few that the longest post has room in one.
const SHARDS: usize = 4;

impl Weighter<Key, Kept> for ByBytes {
    fn weight(&self, _key: &Key, kept: &Kept) -> u64 {
        OVERHEAD + kept.page.as_ref().map_or(0, |page| page.answer.body.len() as u64)
    }
}

impl Pages {
    pub fn new(bytes: u64) -> Self {
        let estimated = usize::try_from(bytes / (BODY + OVERHEAD)).unwrap_or(usize::MAX).max(1);
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(estimated).weight_capacity(bytes).shards(SHARDS);
        let options = options.build().expect("all that has to be said is said");
        let kept = Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self { kept, following: RwLock::default() }
    }

    /// The post in this version. Waits for whoever is reading it already.
    pub async fn find(&self, names: Projection, id: Uuid) -> Found<'_> {
        let Some(times) = self.read(|following| (following.names == Some(names)).then_some(following.times)) else {
            return Found::Nothing;
        };
        let young = |_: &Key, kept: &mut Kept| match kept.since.elapsed() < HOLDS {
            true => EntryAction::Retain(kept.page.clone()),
            false => EntryAction::ReplaceWithGuard,
        };
        let guard = match self.kept.entry_async(&(times, id), young).await {
            EntryResult::Retained(page) => return Found::Kept(page),
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => guard,
            EntryResult::Removed(..) | EntryResult::Timeout => return Found::Nothing,
        };
        // Only now that there is a place: of a change that came before it the moment knows, and a later one takes the place away.
        let moment = self.read(|following| {
            (following.times == times && following.names.is_some()).then(|| following.moment.clone())
        });
        moment.map_or(Found::Nothing, |moment| Found::Place(Place { guard, moment }))
    }

    /// From now on all changes after the moment are told.
    pub fn begin(&self, names: Projection, moment: Moment) {
        self.kept.clear();
        self.write(|following| *following = Following { times: following.times + 1, names: Some(names), moment });
    }

    pub fn changed(&self, change: &Change) {
        let times = self.write(|following| {
            following.moment.advance(change.time);
            following.times
        });
        self.kept.remove(&(times, change.id));
    }

    /// Changes are not told any more.
    pub fn end(&self) {
        self.write(|following| following.names = None);
        self.kept.clear();
    }

    fn read<T>(&self, read: impl FnOnce(&Following) -> T) -> T {
        read(&self.following.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut Following) -> T) -> T {
        write(&mut self.following.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Place<'_> {
    /// The post is to be read as of this moment or later.
    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// Keeps what was read, unless it has changed since.
    pub fn keep(self, page: Option<Arc<Page>>) {
        // Refused where a change has taken the place away.
        let _ = self.guard.insert(Kept { page, since: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt;
    use mongodb::bson::Timestamp;
    use read_model::{DOCUMENTS, Post, PostStatus};

    use super::*;
    use crate::people::query::Names;
    use crate::viewer::tests::post;

    const ID: Uuid = Uuid::from_u128(9);

    fn followed() -> Pages {
        let pages = Pages::new(1 << 20);
        pages.begin(DOCUMENTS, at(1));
        pages
    }

    fn at(time: u32) -> Moment {
        let mut moment = Moment::default();
        moment.advance(Timestamp { time, increment: 0 });
        moment
    }

    fn change(id: Uuid, time: u32) -> Change {
        Change { id, time: Timestamp { time, increment: 0 } }
    }

    fn page(title: &str) -> Option<Arc<Page>> {
        let post = Post { title: title.into(), ..post(PostStatus::Published, Uuid::nil()) };
        Some(Arc::new(Page::new(post, &Names::new()).unwrap()))
    }

    async fn place(pages: &Pages) -> Place<'_> {
        match pages.find(DOCUMENTS, ID).await {
            Found::Place(place) => place,
            _ => panic!("no place"),
        }
    }

    /// The title of the page that is kept.
    async fn kept(pages: &Pages) -> Option<String> {
        let Found::Kept(page) = pages.find(DOCUMENTS, ID).await else { return None };
        let body: serde_json::Value = serde_json::from_slice(&page.unwrap().answer.body).unwrap();
        body["title"].as_str().map(str::to_owned)
    }

    #[tokio::test]
    async fn a_page_is_kept_until_its_post_changes() {
        let pages = followed();
        place(&pages).await.keep(page("old"));
        pages.changed(&change(Uuid::from_u128(1), 2));
        assert_eq!(kept(&pages).await.as_deref(), Some("old"));
        pages.changed(&change(ID, 3));
        assert_eq!(kept(&pages).await, None);
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let pages = followed();
        let reading = place(&pages).await;
        pages.changed(&change(ID, 2));
        reading.keep(page("old"));
        assert_eq!(kept(&pages).await, None);
    }

    #[tokio::test]
    async fn a_read_sees_the_changes_that_were_told_before_it() {
        let pages = followed();
        pages.changed(&change(ID, 7));
        assert_eq!(format!("{:?}", place(&pages).await.moment()), format!("{:?}", at(7)));
    }

    #[tokio::test]
    async fn nothing_is_kept_from_before_changes_were_not_told() {
        let pages = followed();
        place(&pages).await.keep(page("old"));
        let reading = {
            let other = pages.find(DOCUMENTS, Uuid::from_u128(1)).await;
            let Found::Place(place) = other else { panic!("no place") };
            place
        };
        pages.end();
        assert!(matches!(pages.find(DOCUMENTS, ID).await, Found::Nothing));
        pages.begin(DOCUMENTS, at(9));
        reading.keep(page("old"));
        assert_eq!(kept(&pages).await, None);
        assert!(matches!(pages.find(DOCUMENTS, Uuid::from_u128(1)).await, Found::Place(_)));
    }

    #[tokio::test]
    async fn a_version_that_is_not_followed_is_not_kept() {
        let pages = followed();
        place(&pages).await.keep(page("old"));
        assert!(matches!(pages.find(DOCUMENTS.in_version(2), ID).await, Found::Nothing));
    }

    #[tokio::test]
    async fn those_who_come_while_it_is_read_wait_for_that_one_read() {
        let pages = followed();
        let reading = place(&pages).await;
        let mut waiting = pin!(kept(&pages));
        assert!(waiting.as_mut().now_or_never().is_none());
        reading.keep(page("new"));
        assert_eq!(waiting.await.as_deref(), Some("new"));
    }

    #[tokio::test]
    async fn when_a_read_fails_the_next_one_who_waits_reads() {
        let pages = followed();
        let reading = place(&pages).await;
        let mut waiting = pin!(place(&pages));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(reading);
        waiting.await.keep(page("new"));
        assert_eq!(kept(&pages).await.as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_read_again_after_five_minutes() {
        let pages = followed();
        place(&pages).await.keep(page("old"));
        tokio::time::advance(HOLDS).await;
        place(&pages).await.keep(page("new"));
        assert_eq!(kept(&pages).await.as_deref(), Some("new"));
    }

    #[tokio::test]
    async fn pages_take_no_more_than_they_may() {
        let pages = followed();
        for number in 0..2_000 {
            if let Found::Place(place) = pages.find(DOCUMENTS, Uuid::from_u128(number)).await {
                place.keep(page("a page"));
            }
        }
        assert!(pages.kept.weight() <= 1 << 20);
    }
}
