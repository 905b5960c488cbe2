//! One runner for every projection: it shares the partitions with the other instances, and feeds each partition's events to
//! the projection in batches. A batch is whatever arrived while the last one was written; of what has much to catch up with, a full one.
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
pub mod patience;
pub mod room;
pub mod sorting;
pub mod status;

use std::sync::Arc;

use event_log::kafka::{AssignedPartition, KafkaLog, Subscription};
use event_schema::codec::Codec;
use read_model::Projection as Names;
use service::supervise::{OnCancel, OnError, Supervisor};
use tokio_util::sync::CancellationToken;

use crate::dead_letter::Parked;
use crate::projection::{Projection, StoreFailure};
use crate::runner::partition::Worker;
use crate::runner::room::Room;
use crate::runner::status::Status;

/// What the partitions of one projection share.
#[derive(Debug)]
pub struct Shared<P> {
    pub projection: P,
    pub codec: Arc<Codec>,
    pub log: KafkaLog,
    pub status: Status,
    pub room: Room,
    /// The bound of a batch; the commit that reaches it is still part of it.
    pub batch_events: usize,
    /// A partition with more parked keys than this halts.
    pub parked_limit: usize,
}

/// What is done with the partitions that the group gives to this process.
pub trait Reads: Send + Sync + 'static {
    /// Names it in metrics, logs and the group that shares its partitions.
    fn names(&self) -> Names;

    /// Reads a partition until it is revoked.
    fn read(self: Arc<Self>, assigned: AssignedPartition) -> impl Future<Output = ()> + Send;

    /// The keys of a partition whose records are parked.
    fn parked(&self, partition: u32) -> impl Future<Output = Result<Vec<Parked>, StoreFailure>> + Send;

    /// The offset up to which the store says that it has a partition; None where what is lost of it is found otherwise.
    fn stored(&self, partition: u32) -> impl Future<Output = Result<Option<u64>, StoreFailure>> + Send;

    /// Waits until no write runs any more.
    fn settled(&self) -> impl Future<Output = ()> + Send;
}

impl<P: Projection> Reads for Shared<P> {
    fn names(&self) -> Names {
        self.projection.names()
    }

    async fn read(self: Arc<Self>, assigned: AssignedPartition) {
        let partition = assigned.partition();
        Worker::new(self, partition).run(assigned).await;
    }

    async fn parked(&self, partition: u32) -> Result<Vec<Parked>, StoreFailure> {
        self.projection.parked(partition).await
    }

    async fn stored(&self, partition: u32) -> Result<Option<u64>, StoreFailure> {
        Ok(Some(self.projection.load(partition).await?.reaches()))
    }

    async fn settled(&self) {
        self.projection.settled().await;
    }
}

/// Starts a task for each partition that the group gives to this process.
#[derive(Debug)]
pub struct Runner<R> {
    reads: Arc<R>,
    subscription: Subscription,
    supervisor: Supervisor,
}

impl<R: Reads> Runner<R> {
    pub fn new(reads: Arc<R>, subscription: Subscription, supervisor: Supervisor) -> Self {
        Self { reads, subscription, supervisor }
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
        let task = format!("{} partition {}", self.reads.names().full_name(), assigned.partition());
        let mut taken = Some((self.reads.clone(), assigned));
        // It ends when the partition is revoked, and fails only by a panic.
        self.supervisor.spawn(task, OnError::Shutdown, OnCancel::Finish, move |_| {
            let taken = taken.take();
            async move {
                if let Some((reads, assigned)) = taken {
                    reads.read(assigned).await;
                }
                Ok::<_, std::convert::Infallible>(())
            }
        });
        true
    }
}
