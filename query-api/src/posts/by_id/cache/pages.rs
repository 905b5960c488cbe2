//! The pages of posts, and the names of their authors.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::{UnitWeighter, Weighter};
use read_model::Projection;
use tokio::time::Instant;
use uuid::Uuid;

use super::shelf::{Following, Found, Key, Place, Shelf};
use crate::posts::by_id::page::{AuthorName, Page};
use crate::store::{Change, Kind, Moment};

pub struct Pages {
    following: Arc<Following>,
    /// None where no pages are to be kept.
    pages: Option<Shelf<KeptPage, ByBytes>>,
    authors: Authors,
}

type Authors = Shelf<Arc<AuthorName>, UnitWeighter>;

/// A page, or that there is none.
#[derive(Clone)]
pub struct KeptPage {
    page: Option<Arc<Page>>,
    since: Instant,
}

#[derive(Clone)]
pub struct ByBytes;

/// A page is kept for so long at the most, whatever is told.
const HOLDS: Duration = Duration::from_secs(300);
/// What a page takes beside its body, about.
const OVERHEAD: u64 = 512;
/// Bytes of a body, about, from which it is estimated how many there may be.
const BODY: u64 = 2_048;
/// Names of authors that are kept, each of some hundred bytes.
const NAMES: u64 = 20_000;

impl Weighter<Key, KeptPage> for ByBytes {
    fn weight(&self, _key: &Key, kept: &KeptPage) -> u64 {
        OVERHEAD + kept.page.as_ref().map_or(0, |page| page.answer.body.len() as u64)
    }
}

impl Pages {
    /// Of so many bytes in all.
    pub fn new(bytes: u64) -> Self {
        let following = Arc::<Following>::default();
        let pages = (bytes > 0).then(|| Shelf::new(following.clone(), bytes, bytes / (BODY + OVERHEAD), ByBytes));
        let authors = Shelf::new(following.clone(), NAMES, NAMES, UnitWeighter);
        Self { following, pages, authors }
    }

    /// The post in this version. It is kept only as long as the name of its author is: a new name takes all pages away that show the old one.
    pub async fn find(&self, names: Projection, id: Uuid) -> Found<'_, KeptPage, ByBytes> {
        let Some(pages) = &self.pages else { return Found::Nothing };
        let is_good = |(times, _): &Key, kept: &KeptPage| {
            let shows_the_name = |page: &Arc<Page>| {
                let name = self.authors.get(&(*times, page.author_id));
                name.is_some_and(|name| Arc::ptr_eq(&name, &page.author))
            };
            kept.since.elapsed() < HOLDS && kept.page.as_ref().is_none_or(shows_the_name)
        };
        pages.find(names, id, is_good).await
    }

    /// The name of this person in this version.
    pub async fn author(&self, names: Projection, id: Uuid) -> Found<'_, Arc<AuthorName>, UnitWeighter> {
        self.authors.find(names, id, |_, _| true).await
    }

    /// From now on all changes after the moment are told.
    pub fn begin(&self, names: Projection, moment: Moment) {
        self.clear();
        self.following.begin(names, moment);
    }

    pub fn changed(&self, change: &Change) {
        match (change.kind, &self.pages) {
            (Kind::Post, Some(pages)) => self.following.tell(pages, change),
            (Kind::Post, None) => {}
            (Kind::Person, _) => self.following.tell(&self.authors, change),
        }
    }

    /// Changes are not told any more.
    pub fn end(&self) {
        self.following.end();
        self.clear();
    }

    fn clear(&self) {
        if let Some(pages) = &self.pages {
            pages.clear();
        }
        self.authors.clear();
    }
}

impl KeptPage {
    pub fn page(self) -> Option<Arc<Page>> {
        self.page
    }
}

impl Place<'_, KeptPage, ByBytes> {
    pub fn keep_page(self, page: Option<Arc<Page>>) {
        self.keep(KeptPage { page, since: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::Timestamp;
    use read_model::{DOCUMENTS, Post, PostStatus};

    use super::*;
    use crate::viewer::tests::post;

    const ID: Uuid = Uuid::from_u128(9);
    const ADA: Uuid = Uuid::from_u128(3);

    fn followed() -> Pages {
        let pages = Pages::new(1 << 20);
        pages.begin(DOCUMENTS, Moment::default());
        pages
    }

    fn change(kind: Kind, id: Uuid) -> Change {
        Change { kind, id, time: Timestamp { time: 2, increment: 0 } }
    }

    /// Reads the post as it is now, and keeps it. Ada is called so now.
    async fn read(pages: &Pages, title: &str, name: &str) {
        let author = match pages.author(DOCUMENTS, ADA).await {
            Found::Kept(name) => name,
            Found::Place(place) => {
                let name = Arc::new(Some(name.to_owned()));
                place.keep(name.clone());
                name
            }
            Found::Nothing => panic!("not followed"),
        };
        let post = Post { title: title.into(), ..post(PostStatus::Published, ADA) };
        let page = Arc::new(Page::new(post, author).unwrap());
        match pages.find(DOCUMENTS, ID).await {
            Found::Place(place) => place.keep_page(Some(page)),
            _ => panic!("no place"),
        }
    }

    /// Title and author of the page that is kept.
    async fn kept(pages: &Pages) -> Option<[String; 2]> {
        let Found::Kept(kept) = pages.find(DOCUMENTS, ID).await else { return None };
        let body: serde_json::Value = serde_json::from_slice(&kept.page()?.answer.body).unwrap();
        Some([&body["title"], &body["author"]["name"]].map(|text| text.as_str().unwrap().to_owned()))
    }

    #[tokio::test]
    async fn a_page_is_kept_until_its_post_changes() {
        let pages = followed();
        read(&pages, "old", "Ada").await;
        assert_eq!(kept(&pages).await.unwrap(), ["old", "Ada"]);
        // Another document may have the same id.
        pages.changed(&change(Kind::Person, ID));
        pages.changed(&change(Kind::Post, ADA));
        assert_eq!(kept(&pages).await.unwrap(), ["old", "Ada"]);
        pages.changed(&change(Kind::Post, ID));
        assert_eq!(kept(&pages).await, None);
    }

    #[tokio::test]
    async fn a_page_is_kept_until_its_author_has_another_name() {
        let pages = followed();
        read(&pages, "On light", "Ada").await;
        pages.changed(&change(Kind::Person, ADA));
        assert_eq!(kept(&pages).await, None);
        read(&pages, "On light", "Ada Lovelace").await;
        assert_eq!(kept(&pages).await.unwrap(), ["On light", "Ada Lovelace"]);
    }

    #[tokio::test]
    async fn a_page_with_the_old_name_is_not_kept_though_the_new_one_is_known_already() {
        let pages = followed();
        read(&pages, "On light", "Ada").await;
        pages.changed(&change(Kind::Person, ADA));
        let Found::Place(place) = pages.author(DOCUMENTS, ADA).await else { panic!("no place") };
        place.keep(Arc::new(Some("Ada Lovelace".to_owned())));
        assert_eq!(kept(&pages).await, None);
    }

    #[tokio::test]
    async fn a_page_whose_author_had_to_make_room_for_others_is_read_again() {
        let pages = followed();
        read(&pages, "On light", "Ada").await;
        for number in 0..2 * u128::from(NAMES) {
            let other = Uuid::from_u128(1_000 + number);
            if let Found::Place(place) = pages.author(DOCUMENTS, other).await {
                place.keep(Arc::new(None));
            }
            // Asked for as often as she was: what is asked for seldom goes first.
            for _ in 0..3 {
                assert!(matches!(pages.author(DOCUMENTS, other).await, Found::Kept(_)));
            }
        }
        assert!(pages.authors.get(&(1, ADA)).is_none(), "there is room for all");
        assert_eq!(kept(&pages).await, None);
        read(&pages, "On light", "Ada Lovelace").await;
        assert_eq!(kept(&pages).await.unwrap(), ["On light", "Ada Lovelace"]);
    }

    #[tokio::test]
    async fn without_room_for_pages_names_are_kept_all_the_same() {
        let pages = Pages::new(0);
        pages.begin(DOCUMENTS, Moment::default());
        assert!(matches!(pages.find(DOCUMENTS, ID).await, Found::Nothing));
        let Found::Place(place) = pages.author(DOCUMENTS, ADA).await else { panic!("no place") };
        place.keep(Arc::new(None));
        assert!(matches!(pages.author(DOCUMENTS, ADA).await, Found::Kept(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_read_again_after_five_minutes() {
        let pages = followed();
        read(&pages, "old", "Ada").await;
        tokio::time::advance(HOLDS).await;
        read(&pages, "new", "Ada").await;
        assert_eq!(kept(&pages).await.unwrap(), ["new", "Ada"]);
    }

    #[tokio::test]
    async fn pages_take_no_more_than_they_may() {
        let pages = followed();
        for number in 0..2_000 {
            if let Found::Place(place) = pages.find(DOCUMENTS, Uuid::from_u128(number)).await {
                place.keep_page(Some(Arc::new(Page::new(post(PostStatus::Published, ADA), Arc::default()).unwrap())));
            }
        }
        assert!(pages.pages.unwrap().weight() <= 1 << 20);
    }
}
