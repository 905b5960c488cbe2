//! Topics and the log's identity.

use event_log::kafka::{KafkaConfig, KafkaError, identify, provision};
use futures::future::join_all;

use super::config;

#[tokio::test]
async fn provisioners_that_race_agree_on_one_log_id() {
    let config = config(3);
    let identities = join_all((0..6).map(|_| provision(&config))).await;
    let identities: Vec<_> = identities.into_iter().map(Result::unwrap).collect();
    assert!(identities.iter().all(|identity| *identity == identities[0]), "{identities:?}");
    assert_eq!(identities[0].partitions, 3);
    assert_eq!(identify(&config).await.unwrap(), identities[0], "and it stays");
    assert_eq!(provision(&config).await.unwrap(), identities[0]);
}

#[tokio::test]
async fn two_logs_have_two_ids() {
    let (one, two) = (config(1), config(1));
    assert_ne!(provision(&one).await.unwrap().log_id, provision(&two).await.unwrap().log_id);
}

#[tokio::test]
async fn another_partition_count_is_refused_and_named() {
    let config = config(3);
    provision(&config).await.unwrap();
    let wrong = KafkaConfig { partitions: 4, ..config.clone() };
    for outcome in [provision(&wrong).await, identify(&wrong).await] {
        let error = outcome.unwrap_err();
        assert!(!error.is_retryable());
        let text = error.to_string();
        assert!(text.contains(&config.events_topic) && text.contains("partitions 3, and 4"), "{text}");
    }
}

#[tokio::test]
async fn a_setting_that_would_lose_records_is_refused_and_named() {
    let config = config(1);
    provision(&config).await.unwrap();
    // The owners' topic is compacted: as the log it would lose events.
    let wrong = KafkaConfig { events_topic: config.owners_topic.clone(), ..config.clone() };
    let error = identify(&wrong).await.unwrap_err();
    assert!(
        matches!(&error, KafkaError::TopicSetting { setting: "cleanup.policy", found, .. } if found == "compact"),
        "{error}"
    );
}

#[tokio::test]
async fn identifying_makes_no_topic() {
    let config = config(1);
    for _ in 0..2 {
        let error = identify(&config).await.unwrap_err();
        assert!(matches!(&error, KafkaError::TopicMissing { topic, .. } if *topic == config.events_topic), "{error}");
    }
}
