//! Which partitions this process should own: the group's word, carried out by giving each partition a seat.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_log::kafka::{HandOver, Membership, MembershipEvent};
use futures::StreamExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use service::supervise::{OnCancel, OnError, Supervisor};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::partition::actor::{self, Host};
use crate::partition::seat::{Order, Phase, Seat};
use crate::routing::Seats;

/// Follows the group until it has been left.
pub struct Ownership {
    pub host: Host,
    pub membership: Membership,
    pub supervisor: Supervisor,
    pub seats: watch::Sender<Seats>,
    /// The generation of the group that we are a member of.
    pub generation: watch::Sender<Option<i32>>,
    /// Cancelled to hand everything over and leave the group.
    pub leave: CancellationToken,
    /// Let go of when the group has been left.
    pub left: DropGuard,
}

impl Ownership {
    pub async fn run(mut self) {
        let mut handing_over: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        let mut leaving = false;
        loop {
            tokio::select! {
                event = self.membership.next() => match event {
                    Some(event) => self.follow(event, &handing_over),
                    None => break,
                },
                Some(()) = handing_over.next(), if !handing_over.is_empty() => self.forget_ended(),
                () = self.leave.cancelled(), if !leaving => {
                    leaving = true;
                    self.membership.leave();
                }
            }
        }
        self.generation.send_replace(None);
        tracing::info!("left the group");
        drop(self.left);
    }

    fn follow(&mut self, event: MembershipEvent, handing_over: &FuturesUnordered<BoxFuture<'static, ()>>) {
        match event {
            MembershipEvent::Assigned { partitions, generation } => {
                tracing::info!(?partitions, generation, "partitions assigned");
                for partition in partitions {
                    self.assign(partition, generation);
                }
            }
            MembershipEvent::Confirmed { generation } => {
                self.generation.send_replace(Some(generation));
                for seat in self.seats.borrow().values() {
                    seat.order(Order::Confirm { generation });
                }
            }
            MembershipEvent::Revoked { partitions, done } => {
                tracing::info!(?partitions, "partitions revoked");
                handing_over.push(Box::pin(hand_over(self.order(&partitions, Order::Release), done)));
            }
            MembershipEvent::Lost { partitions } => {
                tracing::warn!(?partitions, "partitions lost");
                let seats = self.order(&partitions, Order::Abandon);
                handing_over.push(Box::pin(async move {
                    join_all(seats.iter().map(|seat| seat.ended())).await;
                }));
            }
        }
    }

    fn assign(&mut self, partition: u32, generation: i32) {
        if let Some(seat) = self.seats.borrow().get(&partition) {
            // One that was told to go reads on until it has ended; the log gives the next one its turn then.
            seat.order(Order::Abandon);
        }
        let (seat, mailbox) = Seat::new(generation);
        self.seats.send_modify(|seats| {
            seats.insert(partition, Arc::new(seat));
        });
        let host = self.host.clone();
        self.supervisor.spawn(format!("partition {partition}"), OnError::Restart, OnCancel::Finish, move |cancel| {
            actor::run(host.clone(), partition, mailbox.clone(), cancel)
        });
    }

    fn order(&self, partitions: &[u32], order: Order) -> Vec<Arc<Seat>> {
        let seats = self.seats.borrow();
        let ordered: Vec<_> = partitions.iter().filter_map(|partition| seats.get(partition).cloned()).collect();
        for seat in &ordered {
            seat.order(order);
        }
        ordered
    }

    fn forget_ended(&self) {
        self.seats.send_if_modified(|seats| {
            let before = seats.len();
            seats.retain(|_, seat| !seat.has_ended());
            seats.len() != before
        });
    }
}

/// Gives the partitions back once the last of them is settled.
async fn hand_over(seats: Vec<Arc<Seat>>, done: HandOver) {
    join_all(seats.iter().map(|seat| seat.ended())).await;
    done.finish();
}

/// Whether every partition that is assigned here is served.
pub fn all_served(seats: &Seats) -> Result<(), String> {
    let waiting: BTreeMap<u32, String> = seats
        .iter()
        .filter_map(|(partition, seat)| match seat.standing().phase {
            Phase::Serving => None,
            phase => Some((*partition, phase.label().to_owned())),
        })
        .collect();
    if waiting.is_empty() { Ok(()) } else { Err(format!("not served yet: {waiting:?}")) }
}
