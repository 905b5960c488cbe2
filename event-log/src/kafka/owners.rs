//! Where the owners of partitions are.
//!
//! These are hints: an owner tells of itself once it serves, nobody takes the word back, and whoever follows a hint to an
//! instance that owns no more is told so there. The hint of the latest epoch wins, whichever comes last.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::topics::LogIdentity;
use super::voice::ClientVoice;
use crate::record::{Epoch, Nonce};

/// Who says that it owns a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerHint {
    /// Where commands for the partition can be sent.
    pub address: String,
    /// The name that its claims carry.
    pub owner: String,
    pub epoch: Epoch,
}

/// The hint as it stands in the topic; its key is the partition's number in decimal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    /// Hints of a log that was made anew since are of no use.
    log_id: String,
    partition: u32,
    address: String,
    owner: String,
    epoch_offset: u64,
    epoch_nonce: Uuid,
}

/// Tells where this process owns partitions, and watches where the others do.
pub struct OwnerHints {
    topic: String,
    identity: LogIdentity,
    producer: Arc<BaseProducer<ClientVoice>>,
    table: watch::Receiver<HashMap<u32, OwnerHint>>,
    complete: watch::Receiver<bool>,
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

/// How long it may take to learn where the hints end. Nothing else is done meanwhile.
const END_LIMIT: Duration = Duration::from_secs(1);

impl OwnerHints {
    /// Starts to watch. Makes no round trip: the table is empty at first, and fills within moments.
    pub fn connect(config: &KafkaConfig, identity: LogIdentity) -> Result<Self, KafkaError> {
        let mut producer = config.client();
        // An owner tells of itself once, so the hint must get there, however long the topic's leader is away.
        producer.set("acks", "all").set("message.timeout.ms", "0").set("linger.ms", "0");
        let voice = ClientVoice::new("owner-hints-producer", &producer);
        let producer: BaseProducer<_> = producer.create_with_context(voice).map_err(KafkaError::client)?;
        let producer = Arc::new(producer);
        let (sender, table) = watch::channel(HashMap::new());
        let (end_seen, complete) = watch::channel(false);
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = spawn_watcher(config, identity, producer.clone(), sender, end_seen, stop.clone())?;
        let topic = config.owners_topic.clone();
        Ok(Self { topic, identity, producer, table, complete, stop, watcher: Some(watcher) })
    }

    /// Whether all hints that were there at the start are in the table: before, commands of others would wait here for nothing.
    pub fn complete(&self) -> watch::Receiver<bool> {
        self.complete.clone()
    }

    /// Tells that a partition is owned. Returns at once; a hint that cannot be sent is only logged.
    pub fn publish(&self, partition: u32, hint: &OwnerHint) {
        let written = Written {
            log_id: log_name(self.identity),
            partition,
            address: hint.address.clone(),
            owner: hint.owner.clone(),
            epoch_offset: hint.epoch.offset,
            epoch_nonce: hint.epoch.nonce.0,
        };
        let value = serde_json::to_string(&written).expect("strings and numbers can always be written as JSON");
        let key = partition.to_string();
        let record = BaseRecord::to(&self.topic).partition(0).key(&key).payload(&value);
        if let Err((error, _)) = self.producer.send(record) {
            tracing::warn!(partition, "others are not told who owns the partition: {error}");
        }
    }

    /// The hint for each partition that has one.
    pub fn watch(&self) -> watch::Receiver<HashMap<u32, OwnerHint>> {
        self.table.clone()
    }

    /// Waits until the clients have closed their connections.
    pub async fn close(self) {
        // Dropping waits for threads.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for OwnerHints {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(watcher) = self.watcher.take() {
            // The thread has nothing to fail with.
            let _ = watcher.join();
        }
    }
}

fn spawn_watcher(
    config: &KafkaConfig,
    identity: LogIdentity,
    producer: Arc<BaseProducer<ClientVoice>>,
    table: watch::Sender<HashMap<u32, OwnerHint>>,
    end_seen: watch::Sender<bool>,
    stop: Arc<AtomicBool>,
) -> Result<JoinHandle<()>, KafkaError> {
    let mut client = config.client();
    client
        .set("group.id", format!("{}.owner-hints", config.client_id))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "500");
    let voice = ClientVoice::new("owner-hints", &client);
    let consumer: BaseConsumer<ClientVoice> =
        ClientConfig::create_with_context(&client, voice).map_err(KafkaError::client)?;
    let topic = config.owners_topic.clone();
    let watch = move || {
        // Of the last record it is known at once that it is the last; that nothing follows is told when a fetch has waited for more.
        // A client that has to ask where a partition begins asks again after half a second, where it does not know its leader yet.
        let (begin, end) = match consumer.fetch_watermarks(&topic, 0, END_LIMIT) {
            Ok((begin, end)) if begin < end => (Offset::Offset(begin), end),
            Ok((_, end)) => (Offset::Offset(end), 0),
            Err(error) => {
                tracing::debug!("where the hints for owners end is not known: {error}");
                (Offset::Beginning, i64::MAX)
            }
        };
        let mut list = TopicPartitionList::with_capacity(1);
        let assigned = list.add_partition_offset(&topic, 0, begin).and_then(|()| consumer.assign(&list));
        if let Err(error) = assigned {
            tracing::error!("owners of partitions cannot be learnt: {error}");
        }
        if end == 0 {
            end_seen.send_replace(true);
        }
        while !stop.load(Ordering::Acquire) {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    learn(&table, identity, message.payload().unwrap_or_default());
                    if message.offset() + 1 >= end {
                        end_seen.send_replace(true);
                    }
                }
                Some(Err(ClientError::PartitionEOF(_))) => {
                    end_seen.send_replace(true);
                }
                Some(Err(error)) => tracing::debug!("watching the owners is interrupted: {error}"),
                None => {}
            }
            producer.poll(Duration::ZERO);
            producer.context().rescue(producer.client());
            consumer.context().rescue(consumer.client());
        }
    };
    Ok(std::thread::Builder::new().name("groot-owner-hints".to_owned()).spawn(watch)?)
}

fn learn(table: &watch::Sender<HashMap<u32, OwnerHint>>, identity: LogIdentity, value: &[u8]) {
    let Ok(written) = serde_json::from_slice::<Written>(value) else {
        tracing::debug!("a hint for an owner cannot be read");
        return;
    };
    if written.log_id != log_name(identity) || written.partition >= identity.partitions {
        return;
    }
    table.send_if_modified(|table| {
        if table.get(&written.partition).is_some_and(|known| known.epoch.offset > written.epoch_offset) {
            return false;
        }
        let hint = OwnerHint {
            address: written.address,
            owner: written.owner,
            epoch: Epoch { offset: written.epoch_offset, nonce: Nonce(written.epoch_nonce) },
        };
        table.insert(written.partition, hint.clone()) != Some(hint)
    });
}

fn log_name(identity: LogIdentity) -> String {
    format!("{:016x}", identity.log_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogIdentity = LogIdentity { log_id: 7, partitions: 12 };

    fn written(log_id: u64, partition: u32, address: &str, epoch_offset: u64) -> Vec<u8> {
        serde_json::to_vec(&Written {
            log_id: format!("{log_id:016x}"),
            partition,
            address: address.to_owned(),
            owner: "owner".to_owned(),
            epoch_offset,
            epoch_nonce: Uuid::nil(),
        })
        .unwrap()
    }

    fn learned(values: &[Vec<u8>]) -> HashMap<u32, String> {
        let (table, watch) = watch::channel(HashMap::new());
        for value in values {
            learn(&table, LOG, value);
        }
        watch.borrow().iter().map(|(partition, hint)| (*partition, hint.address.clone())).collect()
    }

    #[test]
    fn the_hint_of_the_latest_epoch_wins_also_if_it_comes_first() {
        let table = learned(&[written(7, 3, "new", 20), written(7, 3, "old", 10)]);
        assert_eq!(table, HashMap::from([(3, "new".to_owned())]));
    }

    #[test]
    fn hints_of_another_log_and_broken_ones_are_passed_over() {
        let table = learned(&[written(8, 1, "other", 5), b"{".to_vec(), written(7, 99, "beyond", 5)]);
        assert_eq!(table, HashMap::new());
    }
}
