//! Which version of a projection readers read, as its store says.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// What the store said last. Shared by all requests that read it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LiveVersion(Arc<Mutex<Option<Known>>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    version: u32,
    /// When the store was asked.
    at: Instant,
}

/// For so long the store is not asked again. The version before is kept up for as long as an operator may want to go back to it, so
/// that whoever reads it a second longer reads nothing old.
const HOLDS: Duration = Duration::from_secs(1);

impl LiveVersion {
    /// What the store said within the last second, or says now. One request asks it for all that come meanwhile.
    pub async fn get<E>(&self, ask: impl AsyncFnOnce() -> Result<u32, E>) -> Result<u32, E> {
        let mut known = self.0.lock().await;
        if let Some(Known { version, at }) = *known
            && at.elapsed() < HOLDS
        {
            return Ok(version);
        }
        let at = Instant::now();
        let version = ask().await?;
        *known = Some(Known { version, at });
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_store_is_asked_once_a_second_at_most() {
        let live = LiveVersion::default();
        let says = |version| async move || Ok::<u32, ()>(version);
        assert_eq!(live.get(says(1)).await, Ok(1));
        assert_eq!(live.get(says(2)).await, Ok(1));
        tokio::time::advance(HOLDS).await;
        assert_eq!(live.get(says(2)).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_say_is_asked_again_by_the_next() {
        let live = LiveVersion::default();
        assert_eq!(live.get(async || Err("away")).await, Err("away"));
        assert_eq!(live.get(async || Ok::<u32, &str>(3)).await, Ok(3));
    }
}
