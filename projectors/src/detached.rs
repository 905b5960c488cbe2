//! Writes that a task of their own carries out: whoever waits for one may go away, and the write is not left half done.

use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::projection::{Saved, StoreFailure};

/// The writes of one store that run.
#[derive(Clone, Debug, Default)]
pub struct Detached {
    running: TaskTracker,
}

impl Detached {
    /// Waits for a write for as long as `limit`. It goes on after that, and the store shows what came of it.
    pub async fn run<F>(&self, store: &str, limit: Duration, write: F) -> Result<Saved, StoreFailure>
    where
        F: Future<Output = Result<Saved, StoreFailure>> + Send + 'static,
    {
        let written = self.running.spawn(write);
        let died = |died| Err(StoreFailure::Unavailable(format!("the write died: {died}")));
        within(store, limit, async { written.await.unwrap_or_else(died) }).await
    }

    /// Starts a write of which nobody is told what came of it.
    pub fn spawn(&self, write: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(write);
    }

    /// Waits until none runs any more.
    pub async fn settled(&self) {
        self.running.close();
        self.running.wait().await;
        self.running.reopen();
    }
}

/// Waits for what comes of a write for as long as `limit`.
pub(crate) async fn within(
    store: &str,
    limit: Duration,
    written: impl Future<Output = Result<Saved, StoreFailure>>,
) -> Result<Saved, StoreFailure> {
    let late = |_| Err(StoreFailure::Unavailable(format!("{store} has not answered for {} s", limit.as_secs())));
    tokio::time::timeout(limit, written).await.unwrap_or_else(late)
}
