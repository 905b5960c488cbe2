//! A command on its way into a partition's task, and what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::queue::Place;
use super::submission::{Answer, Submission};

/// What the task says to one who waits.
#[derive(Debug)]
pub enum Reply {
    Answered(Answer),
    /// The command never reached the runtime: nothing of it was appended here.
    NotServed,
}

/// A command and who waits for it.
#[derive(Debug)]
pub struct Request {
    pub submission: Submission,
    pub waiter: Waiter,
    pub entry: Entry,
}

/// One who waits for what becomes of a command.
#[derive(Debug)]
pub struct Waiter {
    pub reply: oneshot::Sender<Reply>,
    /// Until it is answered.
    pub place: Place,
}

/// The way in, which is taken once: by the task that enters the command, or by the one who waits and withdraws it. So
/// whoever gives up knows whether anything can have come of it.
#[derive(Clone, Debug, Default)]
pub struct Entry(Arc<AtomicBool>);

impl Entry {
    /// Whether the way in was still free; it is taken now.
    pub fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_either_entered_or_withdrawn() {
        let entry = Entry::default();
        let other = entry.clone();
        assert!(other.take());
        assert!(!entry.take());
    }
}
