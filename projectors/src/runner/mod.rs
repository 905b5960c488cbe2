//! One runner for every projection: it shares the partitions with the other instances, and feeds each partition's events to
//! the projection in batches. A batch is whatever arrived while the last one was written.
//!
//! Once it runs, nothing makes it give up. A store or a registry that is away is waited for; what cannot be mended by
//! waiting (a log that is not the one read before, an event that this build is too old for) halts the partition that it is in: it
//! stays where it is, says why in `/ready`, and goes on after a restart. An event that cannot be projected parks the records of its
//! key, and the others go on; past a bound of parked keys the partition stands still as well. Nothing is ever left out silently.

pub mod decode;
pub mod lag;
pub mod meters;
pub mod parked;
pub mod partition;
pub mod sorting;
pub mod status;

use std::sync::Arc;

use event_log::kafka::{KafkaLog, Subscription};
use event_schema::codec::Codec;
use service::supervise::{OnCancel, OnError, Supervisor};
use tokio_util::sync::CancellationToken;

use crate::projection::Projection;
use crate::runner::partition::Worker;
use crate::runner::status::Status;

/// What the partitions of one projection share.
#[derive(Debug)]
pub struct Shared<P> {
    pub projection: P,
    pub codec: Codec,
    pub log: KafkaLog,
    pub status: Status,
    /// A partition with more parked keys than this halts.
    pub parked_limit: usize,
}

/// Feeds a projection with the partitions that the group gives to this process.
#[derive(Debug)]
pub struct Runner<P> {
    shared: Arc<Shared<P>>,
    subscription: Subscription,
    supervisor: Supervisor,
}

impl<P: Projection> Runner<P> {
    pub fn new(shared: Arc<Shared<P>>, subscription: Subscription, supervisor: Supervisor) -> Self {
        Self { shared, subscription, supervisor }
    }

    /// Runs until the token is cancelled; then lets running batches finish, hands all partitions over and leaves the group.
    pub async fn run_until(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                more = self.step() => if !more {
                    return;
                },
            }
        }
        self.subscription.leave();
        // Partitions that are given out at the last moment go back untouched.
        while self.subscription.next().await.is_some() {}
    }

    /// Starts the next partition that the group gives to this process. False when the group has been left.
    async fn step(&mut self) -> bool {
        let Some(assigned) = self.subscription.next().await else {
            return false;
        };
        let name = self.shared.projection.name();
        let task = format!("{name} partition {}", assigned.partition());
        let worker = Worker::new(self.shared.clone(), assigned.partition());
        let mut taken = Some((worker, assigned));
        // It ends when the partition is revoked, and fails only by a panic.
        self.supervisor.spawn(task, OnError::Shutdown, OnCancel::Finish, move |_| {
            let taken = taken.take();
            async move {
                if let Some((worker, assigned)) = taken {
                    worker.run(assigned).await;
                }
                Ok::<_, std::convert::Infallible>(())
            }
        });
        true
    }
}
