//! What can go wrong between a process and the cluster.

use rdkafka::error::KafkaError as ClientError;
use thiserror::Error;

use crate::archive::ArchiveError;
use crate::state::ObjectStoreError;

#[derive(Debug, Error)]
pub enum KafkaError {
    #[error("cannot {action} on the Kafka cluster at {brokers}; check that it runs and can be reached from here")]
    Cluster {
        action: String,
        brokers: String,
        #[source]
        source: Box<ClientError>,
    },
    #[error("a Kafka client cannot be set up; check the addresses of the brokers")]
    Client(#[source] Box<ClientError>),
    #[error(
        "topic {topic} does not exist on the Kafka cluster at {brokers}; start command-api once, it makes the topics"
    )]
    TopicMissing { topic: String, brokers: String },
    #[error(
        "topic {topic} has {setting} {found}, and {wanted} is needed; alter the topic, or name another topic in the configuration"
    )]
    TopicSetting { topic: String, setting: &'static str, found: String, wanted: String },
    #[error("topic {topic} cannot be made: {reason}")]
    TopicRefused { topic: String, reason: String },
    #[error(
        "the first record of topic {topic} is not a log id: {found}; the topic belongs to something else, name another one"
    )]
    NotALogId { topic: String, found: String },
    #[error("the Kafka cluster at {brokers} did not {action} within {seconds} s")]
    TimedOut { action: String, brokers: String, seconds: u64 },
    #[error("the archive at {place} cannot be used; correct GROOT_ARCHIVE")]
    Archive {
        place: String,
        #[source]
        source: ObjectStoreError,
    },
    #[error(transparent)]
    Archived(#[from] ArchiveError),
    #[error(
        "what stood before offset {offset} of partition {partition} was deleted from topic {topic}, and the time that is asked for lies there or \
         before; name the place of the archive, GROOT_ARCHIVE"
    )]
    Deleted { topic: String, partition: u32, offset: u64 },
    #[error("a thread for a Kafka client cannot be started")]
    Thread(#[from] std::io::Error),
}

impl KafkaError {
    pub(super) fn cluster(action: impl Into<String>, brokers: &str, source: ClientError) -> Self {
        Self::Cluster { action: action.into(), brokers: brokers.to_owned(), source: Box::new(source) }
    }

    pub(super) fn client(source: ClientError) -> Self {
        Self::Client(Box::new(source))
    }

    /// Whether the same call may succeed later without anything being configured anew.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Cluster { .. } | Self::TimedOut { .. } | Self::TopicMissing { .. } => true,
            Self::Archived(error) => error.is_retryable(),
            _ => false,
        }
    }
}
