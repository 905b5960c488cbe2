//! What the owner of a partition starts from: the local state, else a snapshot, else nothing. Whichever it is, the log's
//! records after it are folded until the owner's claim is met.
//!
//! Only state of another log, of another schema, or damaged state is discarded here. State that the log does not bear out, since
//! the log was cut back, is not known as such before the log is read: that halts the partition, as it must, since
//! acknowledged commands may be lost. A rebuild, which an operator asks for, then discards state and snapshots.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use event_log::state::{Discarded, LocalState, LocalStates, Snapshots, StateError, StateStore};

/// Where state comes from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub states: LocalStates,
    pub snapshots: Snapshots,
    /// Partitions whose state is to be discarded, whatever it is: each once.
    pub rebuild: Arc<Mutex<BTreeSet<u32>>>,
}

/// What a partition's fold began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Local,
    Snapshot,
    Nothing,
}

impl Origin {
    pub fn label(self) -> &'static str {
        match self {
            Origin::Local => "local state",
            Origin::Snapshot => "snapshot",
            Origin::Nothing => "nothing",
        }
    }
}

impl Recovery {
    /// Opens the state of a partition; whoever has it open in this process is waited for.
    ///
    /// # Errors
    /// When the local store fails. Object storage that fails is done without: the log has everything.
    pub async fn open(&self, partition: u32) -> Result<(LocalState, Origin), StateError> {
        let (mut state, discarded) = self.states.partition(partition).await?;
        if let Some(why) = discarded {
            tracing::warn!(partition, reason = %why, "the local state is discarded");
        }
        if self.is_to_be_rebuilt(partition) {
            self.discard_all(&mut state).await?;
            self.rebuild.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
        }
        if is_filled(&state) {
            return Ok((state, Origin::Local));
        }
        match self.snapshots.restore(state).await {
            Ok((state, unusable)) => {
                for (name, why) in unusable {
                    tracing::warn!(partition, snapshot = name, reason = %why, "a snapshot is not used");
                }
                let origin = if is_filled(&state) { Origin::Snapshot } else { Origin::Nothing };
                Ok((state, origin))
            }
            Err(error) => {
                tracing::warn!(partition, error = chain(&error), "snapshots cannot be read, the log is folded instead");
                let (state, _) = self.states.partition(partition).await?;
                Ok((state, Origin::Nothing))
            }
        }
    }

    fn is_to_be_rebuilt(&self, partition: u32) -> bool {
        self.rebuild.lock().unwrap_or_else(PoisonError::into_inner).contains(&partition)
    }

    async fn discard_all(&self, state: &mut LocalState) -> Result<(), StateError> {
        let partition = state.partition();
        state.discard()?;
        match self.snapshots.discard(state).await {
            Ok(snapshots) => {
                tracing::warn!(partition, snapshots, reason = %Discarded::Rebuild, "local state and snapshots are discarded");
            }
            // They would be found again by an owner without state, which halts on them if they are wrong.
            Err(error) => tracing::error!(partition, error = chain(&error), "snapshots cannot be discarded"),
        }
        Ok(())
    }
}

fn is_filled(state: &LocalState) -> bool {
    state.checkpoint().position.next_offset > 0
}

/// The error and what it comes from, on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
