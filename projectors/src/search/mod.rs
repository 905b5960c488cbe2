//! Posts as Elasticsearch documents, to be found by their words.
//!
//! - [`batch`]: the events of a batch, by post; [`fold`]: what they make of a post, pure
//! - [`write`](mod@write): reads the posts that change, folds, writes documents and then the checkpoint; [`checkpoints`]: where that
//!   stands
//! - [`catalog`]: the versions that there are
//! - [`dead_letters`]: records that could not be projected, and those behind them
//! - [`read`]: what the store holds

pub mod batch;
pub mod catalog;
pub mod checkpoints;
pub mod dead_letters;
pub mod fold;
pub mod read;
mod repair;
mod verify;
pub mod write;

use std::time::Duration;

use event_log::position::Position;
use read_model::Projection as Names;
use read_model::search::{Elasticsearch, ElasticsearchError};

use crate::dead_letter::{DeadLetter, Parked, Standing};
use crate::event::LoggedEvent;
use crate::projection::{Changes, Projection, Saved, StoreFailure, Unprojectable};
use crate::search::batch::Batch;
use crate::search::write::Store;

/// A request that takes longer counts as failed. A batch of 16 MiB took 2 s where this was measured.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The projection as the runner sees it.
#[derive(Clone, Debug)]
pub struct Search {
    store: Store,
}

/// Connects and sees that the server answers. One try.
pub async fn connect(url: &str) -> Result<Elasticsearch, ElasticsearchError> {
    let elasticsearch = Elasticsearch::new(url, ANSWER_LIMIT)?;
    elasticsearch.ping().await?;
    Ok(elasticsearch)
}

impl Search {
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Projection for Search {
    type Batch = Batch;

    /// Small enough that one is folded here while another is indexed there.
    const BATCH_BYTES: usize = 4 << 20;

    fn names(&self) -> Names {
        self.store.names.projection()
    }

    fn project(&self, events: &[LoggedEvent]) -> Result<Batch, Unprojectable> {
        Batch::of(events).map_err(|error| Unprojectable(error.to_string()))
    }

    async fn load(&self, partition: u32) -> Result<Saved, StoreFailure> {
        self.store.load(partition).await
    }

    async fn parked(&self, partition: u32) -> Result<Vec<Parked>, StoreFailure> {
        Ok(self.store.dead_letters().parked(Some(partition)).await?)
    }

    async fn order(&self, partition: u32) -> Result<Option<(String, Standing)>, StoreFailure> {
        Ok(self.store.dead_letters().first_order(partition).await?)
    }

    async fn letters(&self, partition: u32, key: &str, limit: u32) -> Result<Vec<DeadLetter>, StoreFailure> {
        Ok(self.store.dead_letters().of_key(Some(partition), key, limit).await?)
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
