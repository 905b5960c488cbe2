//! Deleting the beginnings of partitions: the one way in which the log gets shorter.

use std::fmt;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::voice::ClientVoice;

/// Deletes records from the cluster. Whether they may be deleted is for the caller to know.
pub struct Retention {
    admin: AdminClient<ClientVoice>,
    brokers: String,
    topic: String,
}

/// How long the cluster may take.
const LIMIT: Duration = Duration::from_secs(10);

impl Retention {
    /// Makes no round trip.
    pub fn connect(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let client = config.client();
        let admin = client.create_with_context(ClientVoice::new("retention", &client)).map_err(KafkaError::client)?;
        Ok(Self { admin, brokers: config.brokers.clone(), topic: config.events_topic.clone() })
    }

    /// Deletes all records of a partition before an offset.
    ///
    /// # Errors
    /// When the cluster does not do it. It may be done again.
    pub async fn delete_before(&self, partition: u32, offset: u64) -> Result<(), KafkaError> {
        let failed = |source| KafkaError::cluster(format!("delete records of {}", self.topic), &self.brokers, source);
        let mut list = TopicPartitionList::with_capacity(1);
        let to = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
        list.add_partition_offset(&self.topic, partition as i32, to).map_err(failed)?;
        let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
        let deleted = self.admin.delete_records(&list, &options).await.map_err(failed)?;
        for element in deleted.elements() {
            element.error().map_err(failed)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Retention({} at {})", self.topic, self.brokers)
    }
}
