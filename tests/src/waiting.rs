//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

/// How long anything that must happen may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again until there is something, and gives it.
///
/// # Panics
/// With `what`, when it does not come in [`PATIENCE`].
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
