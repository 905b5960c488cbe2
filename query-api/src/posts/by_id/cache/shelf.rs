//! What was read of the store by id, and the rules by which none of it is older than the last change that was told.
//!
//! - Of each time that the changes are followed nothing is left from before: what happened in between is not told.
//! - A read sees all changes that were told before it began, whichever server answers it.
//! - A change takes away what it is about, and the place of a read that is under way as well: what that read finds is not kept.

use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::sync::{Cache, DefaultLifecycle, EntryAction, EntryResult, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use read_model::Projection;
use uuid::Uuid;

use crate::store::{Change, Moment};

/// Whose changes are told, and up to where they were. Shared by all shelves that they are told to.
#[derive(Default)]
pub struct Following(RwLock<State>);

#[derive(Default)]
struct State {
    /// How many times changes were begun to be followed.
    times: u64,
    /// The version whose changes they are. None while nobody follows.
    names: Option<Projection>,
    /// Of the last change that was told.
    moment: Moment,
}

impl Following {
    /// From now on all changes after the moment are told. What is on the shelves is none of this time's.
    pub fn begin(&self, names: Projection, moment: Moment) {
        self.write(|state| *state = State { times: state.times + 1, names: Some(names), moment });
    }

    /// Changes are not told any more.
    pub fn end(&self) {
        self.write(|state| state.names = None);
    }

    /// Tells a shelf of a change. A read that begins on it now sees the change.
    pub fn tell<V: Clone, W: Weighter<Key, V> + Clone>(&self, shelf: &Shelf<V, W>, change: &Change) {
        let times = self.write(|state| {
            state.moment.advance(change.time);
            state.times
        });
        shelf.kept.remove(&(times, change.id));
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> T {
        write(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was read, by id.
pub struct Shelf<V, W> {
    kept: Cache<Key, V, W>,
    following: Arc<Following>,
}

/// Which time the changes are followed, and the id.
pub type Key = (u64, Uuid);

/// What there is of an id.
pub enum Found<'a, V, W> {
    Kept(V),
    /// It is to be read and put there.
    Place(Place<'a, V, W>),
    /// It is to be read and not kept: nobody follows what changes, or somebody else takes too long to read it.
    Nothing,
}

/// Where something is awaited that somebody reads.
pub struct Place<'a, V, W> {
    guard: PlaceholderGuard<'a, Key, V, W, DefaultHashBuilder, DefaultLifecycle<Key, V>>,
    moment: Moment,
}

/// So few that the largest thing has room in one.
const SHARDS: usize = 4;

impl<V: Clone, W: Weighter<Key, V> + Clone> Shelf<V, W> {
    /// For so much in all as the weigher has it, in about so many things.
    pub fn new(following: Arc<Following>, weight: u64, things: u64, weigher: W) -> Self {
        let things = usize::try_from(things).unwrap_or(usize::MAX).max(1);
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(things).weight_capacity(weight).shards(SHARDS);
        let options = options.build().expect("all that has to be said is said");
        let kept = Cache::with_options(options, weigher, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self { kept, following }
    }

    /// What is kept of this version, if it is good still. Waits for whoever is reading it already.
    pub async fn find(&self, names: Projection, id: Uuid, is_good: impl Fn(&Key, &V) -> bool) -> Found<'_, V, W> {
        let times = self.following.read(|state| (state.names == Some(names)).then_some(state.times));
        let Some(times) = times else { return Found::Nothing };
        let if_good = |key: &Key, value: &mut V| match is_good(key, value) {
            true => EntryAction::Retain(value.clone()),
            false => EntryAction::ReplaceWithGuard,
        };
        let guard = match self.kept.entry_async(&(times, id), if_good).await {
            EntryResult::Retained(value) => return Found::Kept(value),
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => guard,
            EntryResult::Removed(..) | EntryResult::Timeout => return Found::Nothing,
        };
        // Only now that there is a place: of a change that came before it the moment knows, and a later one takes the place away.
        let moment =
            self.following.read(|state| (state.times == times && state.names.is_some()).then(|| state.moment.clone()));
        moment.map_or(Found::Nothing, |moment| Found::Place(Place { guard, moment }))
    }

    /// What is kept, whether good or not.
    pub fn get(&self, key: &Key) -> Option<V> {
        self.kept.get(key)
    }

    /// Takes everything away. What is of an earlier time is never found again; it is only in the way.
    pub fn clear(&self) {
        self.kept.clear();
    }

    #[cfg(test)]
    pub fn weight(&self) -> u64 {
        self.kept.weight()
    }
}

impl<V: Clone, W: Weighter<Key, V> + Clone> Place<'_, V, W> {
    /// It is to be read as of this moment or later.
    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// Keeps what was read, unless it has changed since.
    pub fn keep(self, value: V) {
        // Refused where a change has taken the place away.
        let _ = self.guard.insert(value);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt;
    use mongodb::bson::Timestamp;
    use quick_cache::UnitWeighter;
    use read_model::DOCUMENTS;

    use super::*;

    const ID: Uuid = Uuid::from_u128(9);
    const OTHER: Uuid = Uuid::from_u128(1);

    struct Scene {
        following: Arc<Following>,
        shelf: Shelf<&'static str, UnitWeighter>,
    }

    impl Scene {
        fn followed() -> Self {
            let following = Arc::<Following>::default();
            following.begin(DOCUMENTS, at(1));
            Self { shelf: Shelf::new(following.clone(), 100, 100, UnitWeighter), following }
        }

        fn changed(&self, id: Uuid, time: u32) {
            self.following.tell(&self.shelf, &Change { id, time: timestamp(time), kind: crate::store::Kind::Post });
        }

        async fn find(&self, id: Uuid) -> Found<'_, &'static str, UnitWeighter> {
            self.shelf.find(DOCUMENTS, id, |_, value| *value != "bad").await
        }

        async fn place(&self, id: Uuid) -> Place<'_, &'static str, UnitWeighter> {
            match self.find(id).await {
                Found::Place(place) => place,
                _ => panic!("no place"),
            }
        }

        async fn kept(&self) -> Option<&'static str> {
            match self.find(ID).await {
                Found::Kept(value) => Some(value),
                _ => None,
            }
        }
    }

    fn timestamp(time: u32) -> Timestamp {
        Timestamp { time, increment: 0 }
    }

    fn at(time: u32) -> Moment {
        let mut moment = Moment::default();
        moment.advance(timestamp(time));
        moment
    }

    #[tokio::test]
    async fn something_is_kept_until_it_changes() {
        let scene = Scene::followed();
        scene.place(ID).await.keep("old");
        scene.changed(OTHER, 2);
        assert_eq!(scene.kept().await, Some("old"));
        scene.changed(ID, 3);
        assert_eq!(scene.kept().await, None);
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let scene = Scene::followed();
        let reading = scene.place(ID).await;
        scene.changed(ID, 2);
        reading.keep("old");
        assert_eq!(scene.kept().await, None);
    }

    #[tokio::test]
    async fn a_read_sees_the_changes_that_were_told_before_it() {
        let scene = Scene::followed();
        scene.changed(ID, 7);
        assert_eq!(format!("{:?}", scene.place(ID).await.moment()), format!("{:?}", at(7)));
    }

    #[tokio::test]
    async fn nothing_is_kept_from_before_changes_were_not_told() {
        let scene = Scene::followed();
        scene.place(ID).await.keep("old");
        let reading = scene.place(OTHER).await;
        scene.following.end();
        assert!(matches!(scene.find(ID).await, Found::Nothing));
        scene.following.begin(DOCUMENTS, at(9));
        reading.keep("old");
        assert_eq!(scene.kept().await, None);
        assert!(matches!(scene.find(OTHER).await, Found::Place(_)));
    }

    #[tokio::test]
    async fn a_version_that_is_not_followed_is_not_kept() {
        let scene = Scene::followed();
        let found = scene.shelf.find(DOCUMENTS.in_version(2), ID, |_, _| true).await;
        assert!(matches!(found, Found::Nothing));
    }

    #[tokio::test]
    async fn what_is_not_good_any_more_is_read_again() {
        let scene = Scene::followed();
        scene.place(ID).await.keep("bad");
        scene.place(ID).await.keep("good");
        assert_eq!(scene.kept().await, Some("good"));
    }

    #[tokio::test]
    async fn those_who_come_while_it_is_read_wait_for_that_one_read() {
        let scene = Scene::followed();
        let reading = scene.place(ID).await;
        let mut waiting = pin!(scene.kept());
        assert!(waiting.as_mut().now_or_never().is_none());
        reading.keep("new");
        assert_eq!(waiting.await, Some("new"));
    }

    #[tokio::test]
    async fn when_a_read_fails_the_next_one_who_waits_reads() {
        let scene = Scene::followed();
        let reading = scene.place(ID).await;
        let mut waiting = pin!(scene.place(ID));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(reading);
        waiting.await.keep("new");
        assert_eq!(scene.kept().await, Some("new"));
    }
}
