//! How much may be unanswered in one partition.

use std::sync::Arc;

use tokio::sync::{Semaphore, TryAcquireError};

/// One command more is answered [`Answer::Overloaded`](super::submission::Answer::Overloaded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    pub commands: usize,
    /// Of their contents.
    pub bytes: usize,
}

#[derive(Debug)]
pub struct Queue {
    commands: Semaphore,
    bytes: Semaphore,
    /// A command with so many bytes is a large one.
    large: usize,
}

/// What a command takes of its partition's queue, until this is dropped.
#[derive(Debug)]
pub struct Place {
    queue: Arc<Queue>,
    bytes: u32,
}

impl Queue {
    pub fn new(limits: QueueLimits) -> Arc<Self> {
        Arc::new(Self {
            commands: Semaphore::new(limits.commands),
            bytes: Semaphore::new(limits.bytes),
            large: limits.bytes / 4,
        })
    }

    /// A place for a command with so many bytes of content.
    ///
    /// # Errors
    /// When there is none left.
    pub fn place(self: &Arc<Self>, bytes: usize) -> Result<Place, TryAcquireError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (command, content) = (self.commands.try_acquire()?, self.bytes.try_acquire_many(bytes)?);
        command.forget();
        content.forget();
        Ok(Place { queue: self.clone(), bytes })
    }

    /// Whether there is a place for a command at the moment, a large one too.
    pub fn has_room(&self) -> bool {
        self.commands.available_permits() > 0 && self.bytes.available_permits() >= self.large
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.commands.add_permits(1);
        self.queue.bytes.add_permits(self.bytes as usize);
    }
}
