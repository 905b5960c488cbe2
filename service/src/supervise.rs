//! Supervision: every task has a name, says what an error of it means and how it ends.

use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::problem::chain;

/// What happens when a task ends with an error or a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It is begun anew after a pause that doubles from 100 ms to 10 s, and starts over once it ran for a minute.
    Restart,
    /// The whole process shuts down in order and reports the error.
    Shutdown,
}

/// How a task ends when the process shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// It watches its token and ends by itself; it is waited for.
    Finish,
    /// It is dropped where it stands. Only for tasks that may lose what they are doing.
    Drop,
}

/// A supervised task failed and took the process down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task {name} failed: {reason}")]
pub struct TaskFailed {
    pub name: String,
    pub reason: String,
}

/// Runs named tasks under one cancellation token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Supervisor {
    cancel: CancellationToken,
    tasks: TaskTracker,
    failure: Arc<Mutex<Option<TaskFailed>>>,
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A task that ran this long was well: its next failure begins with the shortest pause again.
const WELL: Duration = Duration::from_secs(60);

impl Supervisor {
    /// Tasks end when the token is cancelled; a failed task with [`OnError::Shutdown`] cancels it.
    pub fn new(cancel: CancellationToken) -> Self {
        Self { cancel, tasks: TaskTracker::new(), failure: Arc::default() }
    }

    /// Begins a task. `run` is called anew for each restart with a token that says when to end. A task that ends
    /// with `Ok` is done, whatever its policy.
    pub fn spawn<F, Fut, E>(&self, name: impl Into<String>, on_error: OnError, on_cancel: OnCancel, mut run: F)
    where
        F: FnMut(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let name = name.into();
        let supervisor = self.clone();
        self.tasks.spawn(async move {
            let cancel = supervisor.cancel.clone();
            let mut pause = FIRST_PAUSE;
            loop {
                let begin = Instant::now();
                // The call is inside the caught future, so that a panic while making the future counts as well.
                let once = AssertUnwindSafe(async { run(cancel.child_token()).await }).catch_unwind();
                let ended = match on_cancel {
                    OnCancel::Finish => once.await,
                    OnCancel::Drop => match cancel.run_until_cancelled(once).await {
                        Some(ended) => ended,
                        None => return,
                    },
                };
                let reason = match ended {
                    Ok(Ok(())) => return tracing::debug!(task = name, "task done"),
                    Ok(Err(error)) => chain(error.into().as_ref()),
                    Err(panic) => panic_text(panic.as_ref()),
                };
                if on_error == OnError::Shutdown {
                    return supervisor.fail(TaskFailed { name, reason });
                }
                if begin.elapsed() >= WELL {
                    pause = FIRST_PAUSE;
                }
                if cancel.is_cancelled() {
                    return tracing::warn!(task = name, error = reason, "task failed while shutting down");
                }
                tracing::error!(
                    task = name,
                    error = reason,
                    restart_in_ms = pause.as_millis() as u64,
                    "task failed, it is begun anew"
                );
                metrics::counter!("task_restarts_total", "task" => name.clone()).increment(1);
                if cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// The token of all tasks: cancel it to shut down, wait on it to learn of a shutdown.
    pub fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Waits until every task has ended. Cancel the token first, or this waits for tasks to end by themselves.
    ///
    /// # Errors
    /// The first failure of a task with [`OnError::Shutdown`].
    pub async fn finished(&self) -> Result<(), TaskFailed> {
        self.tasks.close();
        self.tasks.wait().await;
        self.failure().map_or(Ok(()), Err)
    }

    /// The first failure of a task with [`OnError::Shutdown`], if there was one.
    pub fn failure(&self) -> Option<TaskFailed> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, failure: TaskFailed) {
        tracing::error!(task = failure.name, error = failure.reason, "task failed, shutting down");
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.cancel.cancel();
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.as_deref().unwrap_or("without a text"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn supervisor() -> Supervisor {
        Supervisor::new(CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_restarting_task_is_begun_anew_after_errors_and_panics() {
        let supervisor = supervisor();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        supervisor.spawn("flaky", OnError::Restart, OnCancel::Finish, move |_| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => Err("an error"),
                    1 => panic!("a panic"),
                    _ => Ok(()),
                }
            }
        });
        assert_eq!(supervisor.finished().await, Ok(()));
        assert_eq!(runs.load(Ordering::SeqCst), 3);
        assert!(!supervisor.token().is_cancelled());
    }

    #[tokio::test]
    async fn an_error_of_a_task_that_must_not_fail_ends_the_others_and_is_reported() {
        let supervisor = supervisor();
        supervisor.spawn("other", OnError::Restart, OnCancel::Finish, |cancel| async move {
            cancel.cancelled().await;
            Ok::<_, String>(())
        });
        supervisor.spawn("log", OnError::Shutdown, OnCancel::Finish, |_| async { Err("lost") });
        let failed = supervisor.finished().await.unwrap_err();
        assert_eq!(failed, TaskFailed { name: "log".into(), reason: "lost".into() });
    }

    #[tokio::test]
    async fn a_task_that_may_be_dropped_is_dropped_at_shutdown() {
        let supervisor = supervisor();
        supervisor.spawn("endless", OnError::Restart, OnCancel::Drop, |_| std::future::pending::<Result<(), String>>());
        supervisor.token().cancel();
        assert_eq!(supervisor.finished().await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_does_not_wait_for_the_next_restart() {
        let supervisor = supervisor();
        let token = supervisor.token();
        supervisor.spawn("failing", OnError::Restart, OnCancel::Finish, move |_| {
            let token = token.clone();
            async move {
                token.cancel();
                Err("broken")
            }
        });
        let begin = Instant::now();
        assert_eq!(supervisor.finished().await, Ok(()));
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
