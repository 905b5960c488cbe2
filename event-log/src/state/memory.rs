//! A partition's state in memory, shared by all clones: what a simulated process leaves behind when it crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Checkpoint, CommandKey, Due, StateBatch, StateError, StateStore};

#[derive(Clone, Debug, Default)]
pub struct MemoryState(Arc<Mutex<Stored>>);

#[derive(Debug, Default)]
struct Stored {
    checkpoint: Option<Checkpoint>,
    aggregates: BTreeMap<Uuid, Vec<u8>>,
    commands: BTreeMap<CommandKey, (i64, Vec<u8>)>,
    due: BTreeSet<Due>,
}

impl MemoryState {
    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for MemoryState {
    fn checkpoint(&self) -> Checkpoint {
        self.stored().checkpoint.unwrap_or(Checkpoint::START)
    }

    fn aggregate(&self, id: Uuid, _expected: bool) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.stored().aggregates.get(&id).cloned())
    }

    fn command(&self, key: CommandKey) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.stored().commands.get(&key).map(|(_, answer)| answer.clone()))
    }

    fn due(&self, after: Option<Due>, limit: usize) -> Result<Vec<Due>, StateError> {
        let stored = self.stored();
        Ok(stored.due.iter().filter(|due| after.is_none_or(|after| **due > after)).take(limit).copied().collect())
    }

    fn write(&mut self, batch: StateBatch) -> Result<(), StateError> {
        let mut stored = self.stored();
        stored.checkpoint = Some(batch.checkpoint);
        stored.aggregates.extend(batch.aggregates);
        stored.commands.retain(|_, (at, _)| *at >= batch.forgotten_before);
        stored.commands.extend(batch.commands.into_iter().map(|command| (command.key, (command.at, command.answer))));
        for (due, is_due) in batch.due {
            if is_due {
                stored.due.insert(due);
            } else {
                stored.due.remove(&due);
            }
        }
        Ok(())
    }
}
