//! Posts, comments, likes, people, slugs and the history of posts as MongoDB documents.
//!
//! - [`project`](mod@project): what one event writes; [`change`]: how writes to one post fold; [`response`]: comments, likes and
//!   how many there are
//! - [`batch`]: the writes of many events; [`statements`]: those as MongoDB updates, which are sent in `commands`;
//!   [`write`](mod@write): the transaction, and what a rebuild writes ahead of it
//! - [`catalog`]: the versions that there are
//! - [`dead_letters`]: records that could not be projected, and those behind them
//! - [`fold`]: the same documents told a second time, for comparing; [`read`]: what the store holds

mod ahead;
pub mod batch;
pub mod catalog;
pub mod change;
mod commands;
pub mod connect;
pub mod dead_letters;
pub mod fold;
pub mod project;
pub mod read;
mod repair;
pub mod response;
pub mod statements;
mod verify;
pub mod write;

use event_log::position::Position;
use read_model::{Projection as Names, ensure_indexes};

use crate::dead_letter::{DeadLetter, Parked, Standing};
use crate::documents::batch::Batch;
use crate::documents::write::{Store, unavailable};
use crate::event::LoggedEvent;
use crate::projection::{Changes, Projection, Saved, StoreFailure, Unprojectable};

/// The projection as the runner sees it.
#[derive(Clone, Debug)]
pub struct Documents {
    store: Store,
}

impl Documents {
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Projection for Documents {
    type Batch = Batch;

    /// What a transaction has changed stays in MongoDB's cache until it ends, several times as large with its indexes. Where that is half a GiB,
    /// transactions of 16 MiB were rolled back for one another once the indexes had outgrown it.
    const BATCH_BYTES: usize = 4 << 20;
    const UNDER_WAY_BYTES: usize = 8 << 20;

    fn names(&self) -> Names {
        self.store.names
    }

    fn filling(self) -> Self {
        Self::new(self.store.filling())
    }

    fn project(&self, events: &[LoggedEvent]) -> Result<Batch, Unprojectable> {
        Batch::of(events).map_err(|error| Unprojectable(error.to_string()))
    }

    async fn load(&self, partition: u32) -> Result<Saved, StoreFailure> {
        self.store.load(partition).await
    }

    /// MongoDB makes a collection that is missing when it is first written, but no index. Who takes up a partition of which nothing is there
    /// may be the first to come to a store that was lost.
    async fn take_up(&self, partition: u32) -> Result<Saved, StoreFailure> {
        let saved = self.load(partition).await?;
        if saved == Saved::NOTHING {
            let made = ensure_indexes(&self.store.database, self.names()).await;
            made.map_err(|error| unavailable(&error))?;
        }
        Ok(saved)
    }

    async fn parked(&self, partition: u32) -> Result<Vec<Parked>, StoreFailure> {
        self.store.dead_letters().parked(Some(partition)).await.map_err(|error| unavailable(&error))
    }

    async fn order(&self, partition: u32) -> Result<Option<(String, Standing)>, StoreFailure> {
        self.store.dead_letters().first_order(partition).await.map_err(|error| unavailable(&error))
    }

    async fn letters(&self, partition: u32, key: &str, limit: u32) -> Result<Vec<DeadLetter>, StoreFailure> {
        let letters = self.store.dead_letters().of_key(Some(partition), key, limit);
        letters.await.map_err(|error| unavailable(&error))
    }

    async fn write(
        &self,
        partition: u32,
        changes: Changes<Batch>,
        from: Saved,
        to: Position,
    ) -> Result<Saved, StoreFailure> {
        self.store.write(partition, changes, from, to).await
    }

    async fn settled(&self) {
        self.store.settled().await;
    }
}
