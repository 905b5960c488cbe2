//! Who waits for which answer, and since when.

use std::collections::HashMap;

use tokio::time::Instant;

use super::meters::Meters;
use super::request::{Reply, Waiter};
use super::submission::{Answer, Ticket};

#[derive(Debug, Default)]
pub struct Waiters {
    next: Ticket,
    waiting: HashMap<Ticket, (Waiter, Instant)>,
}

impl Waiters {
    pub fn add(&mut self, waiter: Waiter) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        self.waiting.insert(ticket, (waiter, Instant::now()));
        ticket
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn answer(&mut self, ticket: Ticket, answer: Answer, meters: &Meters) {
        let Some((waiter, since)) = self.waiting.remove(&ticket) else { return };
        if matches!(&answer, Answer::Done(receipt) if receipt.changed) {
            meters.appended(since.elapsed());
        }
        // Nobody waits any more if this fails; the command stands all the same.
        let _ = waiter.reply.send(Reply::Answered(answer));
    }
}
