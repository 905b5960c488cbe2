//! The way of a command to the owner of its partition: here, or by another instance, or, while nobody owns it, later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use event_log::kafka::{OwnerHint, partition_for};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::forward::Peers;
use crate::fresh_id;
use crate::partition::seat::{Attempt, Seat};
use crate::partition::submission::{Answer, Submission};

/// The seats of this process by partition.
pub type Seats = HashMap<u32, Arc<Seat>>;

/// How long a command may take in all. Past it the client is told to ask again.
pub const DEADLINE: Duration = Duration::from_secs(8);
/// How often a command may be passed on.
pub const MAX_HOPS: u8 = 2;
/// How long the owner before may take to answer while a partition is folded here: one that is gone must not take the command's time.
const FORMER_OWNER_LIMIT: Duration = Duration::from_secs(1);
/// The pauses between attempts while a partition changes hands; news of an owner ends one early.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long what is made new goes to the same partition, in milliseconds.
const STICKS: u128 = 4;

/// Why a command has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It reached no owner: nothing came of it and nothing will.
    NoOwner,
    /// It may be in the log, or get there.
    OutcomeUnknown,
}

#[derive(Debug)]
pub struct Routing {
    partitions: u32,
    seats: watch::Receiver<Seats>,
    hints: watch::Receiver<HashMap<u32, OwnerHint>>,
    /// Where others reach this process: a hint that leads here is out of date.
    own_address: String,
    peers: Peers,
    /// What turns are counted from. Not the wall clock: that may stand still while it is set back.
    began: Instant,
}

impl Routing {
    pub fn new(
        partitions: u32,
        seats: watch::Receiver<Seats>,
        hints: watch::Receiver<HashMap<u32, OwnerHint>>,
        own_address: String,
        peers: Peers,
    ) -> Self {
        Self { partitions, seats, hints, own_address, peers, began: Instant::now() }
    }

    /// An id for an aggregate that no key names. It falls to a partition that is served here, so that nobody else has to be asked; and what is
    /// made at the same time falls to the same one, so that it shares batches, as with the sticky partitioner of Kafka's own
    /// producer (KIP-480). One whose queue is full is passed over. Where there is none, the id is any.
    pub fn fresh_id(&self) -> Uuid {
        self.fresh_id_in_turn((self.began.elapsed().as_millis() / STICKS) as usize)
    }

    fn fresh_id_in_turn(&self, turn: usize) -> Uuid {
        let id = Uuid::now_v7();
        let seats = self.seats.borrow();
        let turn = turn % seats.len().max(1);
        let mut in_turn = seats.iter().skip(turn).chain(seats.iter().take(turn));
        // A topic may have got partitions that no key falls to.
        let found = in_turn.find(|(partition, seat)| **partition < self.partitions && seat.takes_what_is_new());
        match found {
            Some((partition, _)) => fresh_id::in_partition(id, *partition, self.partitions),
            None => id,
        }
    }

    /// Brings a client's command to its owner, trying again under the same command id while the partition changes hands.
    pub async fn execute(&self, submission: Submission) -> Result<Answer, Failure> {
        self.execute_until(submission, Instant::now() + DEADLINE).await
    }

    /// As [`Routing::execute`], for one of several commands that share a deadline.
    pub async fn execute_until(&self, submission: Submission, deadline: Instant) -> Result<Answer, Failure> {
        let (mut in_doubt, mut asked_in_vain) = (false, false);
        let mut pause = FIRST_PAUSE;
        loop {
            // What comes while the attempt is made is news already.
            let news = self.news();
            match self.attempt(&submission, 0, deadline, &mut asked_in_vain).await {
                // After a doubtful attempt this says nothing of what that one did.
                Attempt::Answered(Answer::Overloaded) if in_doubt => return Err(Failure::OutcomeUnknown),
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::InDoubt => in_doubt = true,
                Attempt::NotMade => {}
            }
            if Instant::now() >= deadline {
                return Err(if in_doubt { Failure::OutcomeUnknown } else { Failure::NoOwner });
            }
            news.wait(deadline.min(Instant::now() + pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes a command that another instance passed on for the `hops`th time. Whoever passed it on does the waiting.
    pub async fn execute_for_peer(
        &self,
        submission: Submission,
        hops: u8,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        match self.attempt(&submission, hops, deadline, &mut false).await {
            Attempt::Answered(answer) => Ok(answer),
            Attempt::InDoubt => Err(Failure::OutcomeUnknown),
            Attempt::NotMade => Err(Failure::NoOwner),
        }
    }

    /// `asked_in_vain` is whether the owner before was asked already, for a command that a seat of ours waits with.
    async fn attempt(&self, submission: &Submission, hops: u8, deadline: Instant, asked_in_vain: &mut bool) -> Attempt {
        let key = submission.command.root_id().to_string();
        let partition = partition_for(key.as_bytes(), self.partitions);
        let seat = self.seats.borrow().get(&partition).cloned().filter(|seat| !seat.has_ended());
        if let Some(seat) = seat.as_ref().filter(|seat| seat.serves() || *asked_in_vain) {
            return seat.make(submission.clone(), deadline).await;
        }
        let elsewhere = if hops < MAX_HOPS { self.owner_elsewhere(partition) } else { None };
        match (seat, elsewhere) {
            // While it folds, the owner before it still serves, or is gone: it is asked once, and not for long.
            (Some(seat), Some(address)) => {
                *asked_in_vain = true;
                let until = deadline.min(Instant::now() + FORMER_OWNER_LIMIT);
                let attempt = tokio::select! {
                    attempt = self.pass_on(&address, partition, submission, hops, until) => attempt,
                    () = seat.begins_to_serve() => Attempt::InDoubt,
                };
                match attempt {
                    Attempt::NotMade => seat.make(submission.clone(), deadline).await,
                    attempt => attempt,
                }
            }
            (Some(seat), None) => seat.make(submission.clone(), deadline).await,
            (None, Some(address)) => self.pass_on(&address, partition, submission, hops, deadline).await,
            (None, None) => Attempt::NotMade,
        }
    }

    /// Where the owner is that is known, if that is another process.
    fn owner_elsewhere(&self, partition: u32) -> Option<String> {
        let hints = self.hints.borrow();
        hints.get(&partition).map(|hint| &hint.address).filter(|address| **address != self.own_address).cloned()
    }

    async fn pass_on(
        &self,
        address: &str,
        partition: u32,
        submission: &Submission,
        hops: u8,
        deadline: Instant,
    ) -> Attempt {
        tokio::select! {
            biased;
            attempt = self.peers.forward(address, submission, hops + 1, deadline) => attempt,
            // The owner that was asked may never answer, having been paused or cut off. The next one knows what counts.
            () = self.moved(partition, address) => Attempt::InDoubt,
        }
    }

    /// Completes when the owner of the partition is elsewhere.
    async fn moved(&self, partition: u32, from: &str) {
        let elsewhere =
            |hints: &HashMap<u32, OwnerHint>| hints.get(&partition).is_some_and(|hint| hint.address != from);
        if self.hints.clone().wait_for(elsewhere).await.is_err() {
            // Nobody watches the owners any more.
            std::future::pending::<()>().await;
        }
    }

    /// Changes of seats or of hints from now on.
    fn news(&self) -> News {
        let (mut seats, mut hints) = (self.seats.clone(), self.hints.clone());
        seats.mark_unchanged();
        hints.mark_unchanged();
        News { seats, hints }
    }
}

struct News {
    seats: watch::Receiver<Seats>,
    hints: watch::Receiver<HashMap<u32, OwnerHint>>,
}

impl News {
    /// Waits for the next change, but not for ever.
    async fn wait(mut self, until: Instant) {
        tokio::select! {
            () = sleep_until(until) => {}
            Ok(()) = self.seats.changed() => {}
            Ok(()) = self.hints.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests;
