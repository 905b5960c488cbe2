//! Partitions shared among the readers of a group, such as the instances of a projector.

use std::collections::HashMap;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::membership::{HandOver, Membership, MembershipConfig, MembershipEvent};
use super::partition_log::KafkaLog;
use super::record_stream::RecordStream;
use super::stream::{CommitStream, Revocable};
use crate::position::Position;

/// Gives this process its share of the partitions, each to be read by a task of its own.
#[derive(Debug)]
pub struct Subscription {
    log: KafkaLog,
    assigned: mpsc::UnboundedReceiver<(u32, Revocable)>,
    leave: watch::Sender<bool>,
}

impl Subscription {
    /// Joins the group. Must be called inside a tokio runtime.
    pub fn start(config: &KafkaConfig, membership: MembershipConfig, log: KafkaLog) -> Result<Self, KafkaError> {
        let membership = Membership::join(config, membership)?;
        let (sender, assigned) = mpsc::unbounded_channel();
        let (leave, leaving) = watch::channel(false);
        // It ends by itself once the group has been left, which dropping the subscription brings about.
        tokio::spawn(share_out(membership, sender, leaving));
        Ok(Self { log, assigned, leave })
    }

    /// The next partition to read; waits for it. None once the group has been left and all is handed over. Cancel safe.
    pub async fn next(&mut self) -> Option<AssignedPartition> {
        let (partition, revocable) = self.assigned.recv().await?;
        Some(AssignedPartition { partition, log: self.log.clone(), revocable })
    }

    /// Starts to leave the group: every stream ends, and once all are dropped so does this subscription.
    pub fn leave(&self) {
        self.leave.send_replace(true);
    }
}

/// A partition that is to be read here until it is revoked. Whoever is done with it after that drops it, or the stream made
/// of it, and the group gives it to another.
///
/// Dropped earlier it is read by nobody until the group shares out anew: after an error, rewind the stream instead.
#[derive(Debug)]
pub struct AssignedPartition {
    partition: u32,
    log: KafkaLog,
    revocable: Revocable,
}

/// A partition that is read outside any group, for as long as this is held.
#[derive(Debug)]
pub struct Alone {
    _given: Given,
}

impl AssignedPartition {
    /// Reads a partition without a group that gives it: whoever reads it as well is not asked. Dropping the second takes it back.
    pub fn alone(log: &KafkaLog, partition: u32) -> (Self, Alone) {
        let (revocable, given) = give();
        (Self { partition, log: log.clone(), revocable }, Alone { _given: given })
    }

    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Whether the partition is to be given up.
    pub fn is_revoked(&self) -> bool {
        self.revocable.is_revoked()
    }

    /// Waits until the partition is to be given up.
    pub async fn revoked(&self) {
        self.revocable.wait().await;
    }

    /// Reads from where the store says that it stands.
    pub fn read_from(self, position: Position) -> CommitStream {
        CommitStream::start(&self.log, self.partition, position, Some(self.revocable))
    }

    /// Reads every record from an offset on, whatever it is.
    pub fn read_records_from(self, offset: u64) -> RecordStream {
        RecordStream::start(&self.log, self.partition, offset, Some(self.revocable))
    }
}

/// A partition that was given out.
#[derive(Debug)]
struct Given {
    revoke: watch::Sender<bool>,
    /// Yields its end when the reader has dropped the partition.
    gone: mpsc::Receiver<()>,
}

async fn share_out(
    mut membership: Membership,
    assigned: mpsc::UnboundedSender<(u32, Revocable)>,
    mut leaving: watch::Receiver<bool>,
) {
    let mut given: HashMap<u32, Given> = HashMap::new();
    let mut returning = FuturesUnordered::new();
    let mut asked_to_leave = false;
    loop {
        let event = tokio::select! {
            event = membership.next() => match event {
                Some(event) => event,
                None => break,
            },
            Some(()) = returning.next() => continue,
            // A subscription that was dropped leaves as well.
            _ = leaving.wait_for(|leave| *leave), if !asked_to_leave => {
                asked_to_leave = true;
                membership.leave();
                continue;
            }
        };
        match event {
            MembershipEvent::Assigned { partitions, .. } => {
                for partition in partitions {
                    let (revocable, entry) = give();
                    given.insert(partition, entry);
                    // If the subscription is gone the partition is dropped here, and will be revoked below.
                    let _ = assigned.send((partition, revocable));
                }
            }
            MembershipEvent::Revoked { partitions, done, .. } => {
                returning.push(take_back(given_of(&mut given, &partitions), Some(done)));
            }
            MembershipEvent::Lost { partitions } => {
                returning.push(take_back(given_of(&mut given, &partitions), None));
            }
            MembershipEvent::Confirmed { .. } => {}
        }
    }
    while returning.next().await.is_some() {}
}

fn give() -> (Revocable, Given) {
    let (revoke, revoked) = watch::channel(false);
    let (_held, gone) = mpsc::channel(1);
    (Revocable { revoked, _held }, Given { revoke, gone })
}

fn given_of(given: &mut HashMap<u32, Given>, partitions: &[u32]) -> Vec<Given> {
    partitions.iter().filter_map(|partition| given.remove(partition)).collect()
}

/// Ends the reading of partitions, and hands them over when their readers are gone.
async fn take_back(partitions: Vec<Given>, done: Option<HandOver>) {
    for partition in &partitions {
        partition.revoke.send_replace(true);
    }
    for mut partition in partitions {
        while partition.gone.recv().await.is_some() {}
    }
    drop(done);
}
