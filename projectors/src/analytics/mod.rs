//! Every event as a row of ClickHouse, with what is counted of them and the facts that they are joined with.
//!
//! - [`batch`]: the rows of events, pure; [`properties`]: what of an event is a property of its row
//! - [`inserts`]: which rows go together, and the token by which they are told to be the same
//! - [`write`](mod@write): records a batch, inserts its rows, and records that it is done; `redo`: what is missing of one that is tried again
//! - [`catalog`]: the versions that there are
//! - [`dead_letters`]: records that could not be projected, and those behind them
//! - [`read`]: what the store holds; [`fold`]: what it should hold

pub mod batch;
pub mod catalog;
pub mod dead_letters;
pub mod fold;
pub mod inserts;
pub mod properties;
pub mod read;
mod redo;
mod verify;
pub mod write;

use std::time::Duration;

use event_log::position::Position;
use read_model::Projection as Names;
use read_model::analytics::{Clickhouse, ClickhouseAddress, ClickhouseError};

use crate::analytics::batch::Batch;
use crate::analytics::write::Store;
use crate::dead_letter::{DeadLetter, Parked, Standing};
use crate::event::LoggedEvent;
use crate::projection::{Changes, Projection, Saved, StoreFailure, Unprojectable};

/// A request that takes longer counts as failed.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The projection as the runner sees it.
#[derive(Clone, Debug)]
pub struct Analytics {
    store: Store,
}

/// Connects and sees that the server answers. One try.
pub async fn connect(address: &ClickhouseAddress) -> Result<Clickhouse, ClickhouseError> {
    let clickhouse = Clickhouse::new(address, ANSWER_LIMIT);
    clickhouse.ping().await?;
    Ok(clickhouse)
}

impl Analytics {
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Projection for Analytics {
    type Batch = Batch;

    // A batch waits for its turn at the server several times, in which others can be inserted.
    const UNDER_WAY_BYTES: usize = 64 << 20;

    fn names(&self) -> Names {
        self.store.names.projection()
    }

    fn project(&self, events: &[LoggedEvent]) -> Result<Batch, Unprojectable> {
        Batch::of(events)
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
