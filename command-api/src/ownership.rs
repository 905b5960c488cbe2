//! Which partitions this process should own: the group's word, carried out by giving each partition a seat.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use event_log::kafka::{Membership, MembershipEvent};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use service::supervise::{OnCancel, OnError, Supervisor};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::partition::actor::{self, Host};
use crate::partition::seat::{Order, Phase, Seat};
use crate::routing::Seats;

/// Completes one by one as seats end.
type Ending = FuturesUnordered<BoxFuture<'static, ()>>;

/// An instance that ends serves for at most this long until others have claimed what it owned.
const LEAVE_LIMIT: Duration = Duration::from_secs(6);

/// Follows the group until it has been left.
pub struct Ownership {
    pub host: Host,
    pub membership: Membership,
    pub supervisor: Supervisor,
    pub seats: watch::Sender<Seats>,
    /// What the group has given to this process, and in which generation.
    pub held: BTreeMap<u32, i32>,
    /// The generation of the group that we are a member of.
    pub generation: watch::Sender<Option<i32>>,
    /// Cancelled to hand everything over and leave the group.
    pub leave: CancellationToken,
    /// Let go of when the group has been left.
    pub left: DropGuard,
}

impl Ownership {
    pub async fn run(mut self) {
        let mut ending = FuturesUnordered::new();
        let mut limit = None;
        loop {
            tokio::select! {
                event = self.membership.next() => match event {
                    Some(event) => self.follow(event, &ending),
                    None => break,
                },
                Some(()) = ending.next(), if !ending.is_empty() => self.seat_anew_what_ended(),
                () = self.leave.cancelled(), if limit.is_none() => {
                    limit = Some(Instant::now() + LEAVE_LIMIT);
                    self.membership.leave();
                }
            }
        }
        self.generation.send_replace(None);
        tracing::info!("left the group");
        self.serve_until_claimed(ending, limit.unwrap_or_else(Instant::now)).await;
        drop(self.left);
    }

    /// The group has been left: what the others have not claimed yet is served until they have.
    async fn serve_until_claimed(&self, mut ending: Ending, limit: Instant) {
        let mut late = false;
        loop {
            tokio::select! {
                ended = ending.next() => match ended {
                    Some(()) => self.forget_ended(),
                    None => return,
                },
                () = sleep_until(limit), if !late => {
                    late = true;
                    let left: Vec<u32> = self.seats.borrow().keys().copied().collect();
                    tracing::warn!(partitions = ?left, "partitions are given up before others have claimed them");
                    self.order(&left, Order::Release);
                }
            }
        }
    }

    fn follow(&mut self, event: MembershipEvent, ending: &Ending) {
        match event {
            MembershipEvent::Assigned { partitions, generation } => {
                tracing::info!(?partitions, generation, "partitions assigned");
                for partition in partitions {
                    self.held.insert(partition, generation);
                    self.assign(partition, generation);
                }
            }
            MembershipEvent::Confirmed { generation } => {
                self.generation.send_replace(Some(generation));
                for seat in self.seats.borrow().values() {
                    seat.order(Order::Confirm { generation });
                }
            }
            MembershipEvent::Revoked { partitions, to_others, done } => {
                tracing::info!(?partitions, to_others, "partitions revoked");
                // The sooner the group has them back, the sooner the next owners claim them; until then they are served here.
                done.finish();
                self.end(&partitions, if to_others { Order::HandOver } else { Order::Release }, ending);
            }
            MembershipEvent::Lost { partitions } => {
                tracing::warn!(
                    ?partitions,
                    "the group has lost sight of us: partitions are served until others claim them"
                );
                self.generation.send_replace(None);
                // The coordinator may be what is away. If others own them by now, their claims say so.
                self.end(&partitions, Order::HandOver, ending);
            }
        }
    }

    fn assign(&mut self, partition: u32, generation: i32) {
        if let Some(seat) = self.seats.borrow().get(&partition).filter(|seat| !seat.has_ended()) {
            // It is being handed over. If nobody has claimed it, it is served on; else its end is near, and it is seated anew.
            return seat.order(Order::Keep { generation });
        }
        let (seat, mailbox) = Seat::new(generation, self.host.queue);
        self.seats.send_modify(|seats| {
            seats.insert(partition, Arc::new(seat));
        });
        let host = self.host.clone();
        self.supervisor.spawn(format!("partition {partition}"), OnError::Restart, OnCancel::Finish, move |cancel| {
            actor::run(host.clone(), partition, mailbox.clone(), cancel)
        });
    }

    /// A seat may have come to its end just before it was told to stay.
    fn seat_anew_what_ended(&mut self) {
        self.forget_ended();
        let held = self.held.clone();
        for (partition, generation) in held {
            if !self.seats.borrow().contains_key(&partition) {
                self.assign(partition, generation);
            }
        }
    }

    fn end(&mut self, partitions: &[u32], order: Order, ending: &Ending) {
        self.held.retain(|partition, _| !partitions.contains(partition));
        for seat in self.order(partitions, order) {
            ending.push(Box::pin(async move { seat.ended().await }));
        }
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

/// Whether every partition that is assigned here is served.
pub fn all_served(seats: &Seats) -> Result<(), String> {
    let waiting: BTreeMap<u32, String> = seats
        .iter()
        .filter_map(|(partition, seat)| match seat.standing().phase {
            Phase::Serving | Phase::HandingOver => None,
            phase => Some((*partition, phase.label().to_owned())),
        })
        .collect();
    if waiting.is_empty() { Ok(()) } else { Err(format!("not served yet: {waiting:?}")) }
}
