//! Ending well: signals, and ordered stages within a bound of time.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Everything is over this long after the signal; the last second is for the process to end.
pub const BUDGET: Duration = Duration::from_secs(24);

/// A token that is cancelled by SIGTERM or SIGINT. Must be called within a Tokio runtime.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    // The one task outside supervision: it must outlive everything that is supervised.
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "shutting down");
        cancelled.cancel();
    });
    Ok(token)
}

/// The stages of a shutdown, run one after another. A stage that takes too long is logged and left behind, so that
/// the later ones get their turn and the whole stays within its budget.
#[derive(Debug)]
pub struct Stages {
    deadline: Instant,
    overran: Vec<&'static str>,
}

impl Stages {
    /// Stages that share this much time from now on; [`BUDGET`] for a whole process.
    pub fn within(budget: Duration) -> Self {
        Self { deadline: Instant::now() + budget, overran: Vec::new() }
    }

    /// Runs one stage for at most `limit`, or what is left of the budget where that is less. `None` when it was left
    /// behind.
    pub async fn run<T>(&mut self, name: &'static str, limit: Duration, stage: impl Future<Output = T>) -> Option<T> {
        let left = self.deadline.saturating_duration_since(Instant::now()).min(limit);
        match timeout(left, stage).await {
            Ok(done) => {
                tracing::debug!(stage = name, "shutdown stage done");
                Some(done)
            }
            Err(_) => {
                tracing::warn!(
                    stage = name,
                    limit_ms = left.as_millis() as u64,
                    "shutdown stage left behind, it took too long"
                );
                self.overran.push(name);
                None
            }
        }
    }

    /// The stages that were left behind, in order.
    pub fn overran(&self) -> &[&'static str] {
        &self.overran
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stages_run_in_order_and_within_the_budget_even_when_all_hang() {
        let begin = Instant::now();
        let mut stages = Stages::within(BUDGET);
        assert_eq!(stages.run("first", Duration::from_secs(5), async { 1 }).await, Some(1));
        for name in ["second", "third", "fourth"] {
            let hang = std::future::pending::<()>();
            assert_eq!(stages.run(name, Duration::from_secs(20), hang).await, None);
        }
        assert!(begin.elapsed() <= Duration::from_secs(25), "{:?}", begin.elapsed());
        assert_eq!(stages.overran(), ["second", "third", "fourth"]);
    }
}
