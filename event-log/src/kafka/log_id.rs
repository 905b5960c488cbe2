//! Reading and giving the log's identity; the rule is told in `topics`.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::config::KafkaConfig;
use super::error::KafkaError;
use super::voice::ClientVoice;

const KEY: &str = "log_id";
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn read(config: &KafkaConfig) -> Result<Option<u64>, KafkaError> {
    blocking(config, first_record).await
}

pub(super) async fn read_or_give(config: &KafkaConfig) -> Result<u64, KafkaError> {
    if let Some(log_id) = read(config).await? {
        return Ok(log_id);
    }
    give(config, rand::random()).await
}

/// Gives this identity to a log that has none, and answers which one it has then.
pub(super) async fn read_or_restore(config: &KafkaConfig, log_id: u64) -> Result<u64, KafkaError> {
    match read(config).await? {
        Some(log_id) => Ok(log_id),
        None => give(config, log_id).await,
    }
}

async fn give(config: &KafkaConfig, log_id: u64) -> Result<u64, KafkaError> {
    blocking(config, move |config| write(config, log_id)).await?;
    read(config).await?.ok_or_else(|| timed_out(config, "keep the log's identity"))
}

async fn blocking<T: Send + 'static>(
    config: &KafkaConfig,
    call: impl FnOnce(&KafkaConfig) -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    let owned = config.clone();
    match tokio::task::spawn_blocking(move || call(&owned)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(timed_out(config, "answer before this process shut down")),
    }
}

fn first_record(config: &KafkaConfig) -> Result<Option<u64>, KafkaError> {
    let topic = &config.log_topic;
    let failed = |source| KafkaError::cluster(format!("read topic {topic}"), &config.brokers, source);
    let consumer = consumer(config)?;
    let (low, high) = ends(&consumer, topic).map_err(failed)?;
    if high <= 0 {
        return Ok(None);
    }
    if low > 0 {
        return Err(not_a_log_id(config, "it was deleted"));
    }
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, 0, Offset::Offset(0)).map_err(failed)?;
    consumer.assign(&list).map_err(failed)?;
    let limit = Instant::now() + LIMIT;
    while Instant::now() < limit {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.offset() == 0 => {
                let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
                let log_id =
                    (message.key() == Some(KEY.as_bytes())).then(|| u64::from_str_radix(&text, 16).ok()).flatten();
                return log_id.map(Some).ok_or_else(|| not_a_log_id(config, &text));
            }
            Some(Ok(message)) => {
                let found = format!("the first one has offset {}", message.offset());
                return Err(not_a_log_id(config, &found));
            }
            Some(Err(error)) => {
                tracing::debug!(topic, "reading the log's identity is interrupted: {error}")
            }
            None => {}
        }
    }
    Err(timed_out(config, "give the log's identity"))
}

/// The broker that is asked may hear of a topic that was just made later than the one that told of it.
fn ends(consumer: &BaseConsumer<ClientVoice>, topic: &str) -> Result<(i64, i64), ClientError> {
    let limit = Instant::now() + LIMIT;
    loop {
        match consumer.fetch_watermarks(topic, 0, LIMIT) {
            Err(error) if is_news(&error) && Instant::now() < limit => std::thread::sleep(Duration::from_millis(50)),
            outcome => return outcome,
        }
    }
}

fn is_news(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
        )
    )
}

fn write(config: &KafkaConfig, log_id: u64) -> Result<(), KafkaError> {
    let failed = |source| KafkaError::cluster(format!("write to topic {}", config.log_topic), &config.brokers, source);
    let mut client = config.client();
    client
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", LIMIT.as_millis().to_string());
    let producer: BaseProducer<ClientVoice> =
        client.create_with_context(ClientVoice::new("log-id", &client)).map_err(KafkaError::client)?;
    let log_id = format!("{log_id:016x}");
    producer
        .send(BaseRecord::to(&config.log_topic).partition(0).key(KEY).payload(&log_id))
        .map_err(|(source, _)| failed(source))?;
    // Whether it arrived shows when it is read.
    producer.flush(LIMIT).map_err(failed)
}

fn consumer(config: &KafkaConfig) -> Result<BaseConsumer<ClientVoice>, KafkaError> {
    let mut client = config.client();
    client
        .set("group.id", format!("{}.log-id", config.client_id))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "50");
    client.create_with_context(ClientVoice::new("log-id", &client)).map_err(KafkaError::client)
}

fn not_a_log_id(config: &KafkaConfig, found: &str) -> KafkaError {
    KafkaError::NotALogId { topic: config.log_topic.clone(), found: found.chars().take(60).collect() }
}

fn timed_out(config: &KafkaConfig, action: &str) -> KafkaError {
    KafkaError::TimedOut { action: action.to_owned(), brokers: config.brokers.clone(), seconds: LIMIT.as_secs() }
}
