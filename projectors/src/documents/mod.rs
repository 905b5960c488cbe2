//! Posts, comments, likes, people, slugs and the history of posts as MongoDB documents.
//!
//! - [`project`](mod@project): what one event writes; [`change`]: how writes to one post fold; [`response`]: comments, likes and
//!   how many there are
//! - [`batch`]: the writes of many events; [`statements`]: those as MongoDB updates; [`write`](mod@write): the transaction
//! - [`dead_letters`]: records that could not be projected, and those behind them
//! - [`fold`]: the same documents told a second time, for comparing; [`read`]: what the store holds

pub mod batch;
pub mod change;
pub mod connect;
pub mod dead_letters;
pub mod fold;
pub mod project;
pub mod read;
pub mod response;
pub mod statements;
mod verify;
pub mod write;

use event_log::position::Position;
use mongodb::Database;
use read_model::DOCUMENTS;

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

    /// Into a database whose indexes are there, of the log with this id.
    pub fn in_database(database: Database, log_id: u64) -> Self {
        Self::new(Store::new(database, DOCUMENTS, log_id))
    }
}

impl Projection for Documents {
    type Batch = Batch;

    fn name(&self) -> &'static str {
        DOCUMENTS.name
    }

    fn project(&self, events: &[LoggedEvent]) -> Result<Batch, Unprojectable> {
        Batch::of(events).map_err(|error| Unprojectable(error.to_string()))
    }

    async fn load(&self, partition: u32) -> Result<Saved, StoreFailure> {
        self.store.load(partition).await
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
