//! Who waits for which answer, and since when.

use std::collections::HashMap;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::meters::Meters;
use super::request::Reply;
use super::submission::{Answer, Ticket};

#[derive(Debug, Default)]
pub struct Waiters {
    next: Ticket,
    waiting: HashMap<Ticket, (oneshot::Sender<Reply>, Instant)>,
}

impl Waiters {
    pub fn add(&mut self, reply: oneshot::Sender<Reply>) -> Ticket {
        let ticket = self.next;
        self.next += 1;
        self.waiting.insert(ticket, (reply, Instant::now()));
        ticket
    }

    pub fn answer(&mut self, ticket: Ticket, answer: Answer, meters: &Meters) {
        let Some((reply, since)) = self.waiting.remove(&ticket) else { return };
        if matches!(&answer, Answer::Done(receipt) if receipt.changed) {
            meters.appended(since.elapsed());
        }
        // Nobody waits any more if this fails; the command stands all the same.
        let _ = reply.send(Reply::Answered(answer));
    }
}
