//! The topics of the log, and the log's identity.
//!
//! | topic | partitions | what it holds |
//! |---|---|---|
//! | events | as configured, for ever | the log itself: never compacted, never shortened by time or size |
//! | owners | 1 | hints where the owners of partitions are: compacted |
//! | log | 1 | the log's identity |
//! | activity | as the events | facts that decide nothing: kept for a week at least |
//!
//! The identity is a random number in the first record of the log topic. Whoever finds the topic empty writes a number, and
//! then reads the first record: with several at once several records are written, and all of them read the same first one.
//! It changes only when the topics are made anew, so positions of one log are not taken for those of another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::config::{KafkaConfig, MAX_BATCH_BYTES};
use super::error::KafkaError;
use super::log_id;
use super::voice::ClientVoice;

/// Which log this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    pub log_id: u64,
    pub partitions: u32,
}

/// Makes the topics that are missing, checks those that are there, and reads or gives the log's identity.
///
/// Can be called at any time by any number of processes at once.
pub async fn provision(config: &KafkaConfig) -> Result<LogIdentity, KafkaError> {
    let topics = &Topics::connect(config)?;
    let provision = async |topic: Plan<'_>| {
        topics.create(&topic).await?;
        topics.check(&topic, Patience::UntilSeen).await
    };
    let [events, owners, log] = log_plans(config);
    // First, so that nothing is made beside events that are refused.
    provision(events).await?;
    try_join_all([owners, log, activity_plan(config)].map(provision)).await?;
    log_id::read_or_give(config).await.map(|log_id| identity(config, log_id))
}

/// Checks the topics and reads the log's identity, and makes nothing.
pub async fn identify(config: &KafkaConfig) -> Result<LogIdentity, KafkaError> {
    let topics = &Topics::connect(config)?;
    let [events, owners, log] = log_plans(config);
    // First, so that it is the one that is named where none is there.
    topics.check(&events, Patience::None).await?;
    try_join_all([owners, log].map(async |topic| topics.check(&topic, Patience::None).await)).await?;
    let log_id = log_id::read(config)
        .await?
        .ok_or_else(|| KafkaError::TopicMissing { topic: config.log_topic.clone(), brokers: config.brokers.clone() })?;
    Ok(identity(config, log_id))
}

/// Checks the topic of activity, for those who read it. Nobody else needs it.
pub async fn check_activity(config: &KafkaConfig) -> Result<(), KafkaError> {
    Topics::connect(config)?.check(&activity_plan(config), Patience::None).await
}

/// Whether the cluster answers, whatever it holds.
///
/// # Errors
/// When it does not.
pub async fn answers(config: &KafkaConfig) -> Result<(), KafkaError> {
    Topics::connect(config)?.shape(&config.events_topic).await.map(drop)
}

/// What there is of a log that is to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub events: bool,
    /// Whether records of the events keep the time that whoever writes them gives.
    pub takes_times: bool,
    /// How many replicas of the events must have a record.
    pub min_insync: i32,
    pub log: bool,
}

/// Looks at the topics of a log that is to be restored, and makes nothing.
pub(super) async fn look(config: &KafkaConfig) -> Result<Found, KafkaError> {
    let topics = Topics::connect(config)?;
    let [events, _, log] = log_plans(config);
    let shape = topics.shape(events.name).await?;
    let mut found = Found {
        events: shape.is_some(),
        takes_times: false,
        min_insync: config.min_insync_replicas,
        log: topics.shape(log.name).await?.is_some(),
    };
    if let Some(shape) = shape {
        if shape.partitions != events.partitions {
            return Err(KafkaError::TopicSetting {
                topic: events.name.to_owned(),
                setting: "partitions",
                found: shape.partitions.to_string(),
                wanted: events.partitions.to_string(),
            });
        }
        let settings = topics.settings(&events).await?;
        found.takes_times = settings.iter().any(|(setting, value)| setting.name == TIMES && value != LOG_TIMES);
        let min_insync = settings.iter().find(|(setting, _)| setting.name == MIN_INSYNC);
        found.min_insync = min_insync.and_then(|(_, value)| value.parse().ok()).unwrap_or(found.min_insync);
    }
    Ok(found)
}

/// Makes the topics of a log that is to be restored, or sees that they are as they must be for that. Nobody else can use the log until
/// [`close_restored`]: [`identify`] and [`provision`] refuse it.
pub(super) async fn open_for_restore(config: &KafkaConfig, found: Found) -> Result<(), KafkaError> {
    let topics = Topics::connect(config)?;
    let [events, owners, log] = log_plans(config);
    let events = events.with_times("CreateTime");
    topics.create(&events).await?;
    if found.events && !found.takes_times {
        topics.set(&events, TIMES, "CreateTime").await?;
    }
    for topic in [events, owners, log] {
        topics.create(&topic).await?;
        topics.check(&topic, Patience::UntilSeen).await?;
    }
    Ok(())
}

/// From now on records get the time of the broker, as in every log.
pub(super) async fn close_restored(config: &KafkaConfig) -> Result<(), KafkaError> {
    let topics = Topics::connect(config)?;
    let [events, _, _] = log_plans(config);
    topics.set(&events, TIMES, LOG_TIMES).await?;
    topics.check(&events, Patience::UntilSeen).await
}

fn identity(config: &KafkaConfig, log_id: u64) -> LogIdentity {
    LogIdentity { log_id, partitions: config.partitions }
}

/// How long activity waits to be counted.
const ACTIVITY_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Each round trip of a check may take this long, and so may a new topic until it is seen everywhere.
const LIMIT: Duration = Duration::from_secs(10);

enum Patience {
    None,
    /// A topic that was just made is not known to all brokers yet.
    UntilSeen,
}

struct Plan<'a> {
    name: &'a str,
    partitions: u32,
    settings: Vec<Setting>,
}

struct Setting {
    name: &'static str,
    value: String,
    /// An existing topic may have more of it.
    at_least: bool,
}

fn exactly(name: &'static str, value: &str) -> Setting {
    Setting { name, value: value.to_owned(), at_least: false }
}

fn at_least(name: &'static str, value: impl ToString) -> Setting {
    Setting { name, value: value.to_string(), at_least: true }
}

/// Records bear the time of the broker, not of a writer: deduplication expires by it, and brokers refuse a writer's that is an
/// hour ahead.
fn log_time() -> Setting {
    exactly(TIMES, LOG_TIMES)
}

const MIN_INSYNC: &str = "min.insync.replicas";
const TIMES: &str = "message.timestamp.type";
const LOG_TIMES: &str = "LogAppendTime";

impl Plan<'_> {
    fn with_times(mut self, times: &str) -> Self {
        self.settings.retain(|setting| setting.name != TIMES);
        self.settings.push(exactly(TIMES, times));
        self
    }
}

fn log_plans(config: &KafkaConfig) -> [Plan<'_>; 3] {
    let kept_for_ever = |cleanup| {
        vec![
            exactly("cleanup.policy", cleanup),
            exactly("retention.ms", "-1"),
            exactly("retention.bytes", "-1"),
            // A replica that lacks acknowledged records must never lead.
            exactly("unclean.leader.election.enable", "false"),
            at_least(MIN_INSYNC, config.min_insync_replicas),
            log_time(),
        ]
    };
    let mut events = kept_for_ever("delete");
    events.push(at_least("max.message.bytes", MAX_BATCH_BYTES));
    [
        Plan { name: &config.events_topic, partitions: config.partitions, settings: events },
        Plan {
            name: &config.owners_topic,
            partitions: 1,
            settings: vec![exactly("cleanup.policy", "compact"), log_time()],
        },
        Plan { name: &config.log_topic, partitions: 1, settings: kept_for_ever("delete") },
    ]
}

fn activity_plan(config: &KafkaConfig) -> Plan<'_> {
    Plan {
        name: &config.activity_topic,
        partitions: config.partitions,
        settings: vec![
            exactly("cleanup.policy", "delete"),
            at_least("retention.ms", ACTIVITY_KEPT.as_millis()),
            exactly("retention.bytes", "-1"),
            at_least(MIN_INSYNC, config.min_insync_replicas),
            log_time(),
        ],
    }
}

struct Topics<'a> {
    config: &'a KafkaConfig,
    admin: Arc<AdminClient<ClientVoice>>,
    options: AdminOptions,
}

impl<'a> Topics<'a> {
    fn connect(config: &'a KafkaConfig) -> Result<Self, KafkaError> {
        let client = config.client();
        let voice = ClientVoice::new("admin", &client);
        let admin = client.create_with_context(voice).map_err(KafkaError::client)?;
        Ok(Self {
            config,
            admin: Arc::new(admin),
            options: AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT)),
        })
    }

    async fn create(&self, plan: &Plan<'_>) -> Result<(), KafkaError> {
        let mut topic =
            NewTopic::new(plan.name, plan.partitions as i32, TopicReplication::Fixed(self.config.replication_factor));
        for setting in &plan.settings {
            topic = topic.set(setting.name, &setting.value);
        }
        let made = self.admin.create_topics([&topic], &self.options).await;
        let made = made.map_err(|source| self.failed("make topics", source))?;
        match made.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) if is_passing(code) => Err(self.failed("make topics", ClientError::AdminOp(code))),
            Some(Err((topic, code))) => Err(KafkaError::TopicRefused { topic, reason: code.to_string() }),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    async fn check(&self, plan: &Plan<'_>, patience: Patience) -> Result<(), KafkaError> {
        let started = Instant::now();
        let found = loop {
            match self.shape(plan.name).await? {
                Some(shape) => break shape,
                None if matches!(patience, Patience::None) => {
                    return Err(KafkaError::TopicMissing {
                        topic: plan.name.to_owned(),
                        brokers: self.config.brokers.clone(),
                    });
                }
                None if started.elapsed() > LIMIT => {
                    return Err(KafkaError::TimedOut {
                        action: format!("give topic {} its leaders", plan.name),
                        brokers: self.config.brokers.clone(),
                        seconds: LIMIT.as_secs(),
                    });
                }
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let differs = |setting, found: String, wanted: String| {
            Err(KafkaError::TopicSetting { topic: plan.name.to_owned(), setting, found, wanted })
        };
        if found.partitions != plan.partitions {
            return differs("partitions", found.partitions.to_string(), plan.partitions.to_string());
        }
        if found.replicas < self.config.replication_factor {
            let wanted = format!("at least {}", self.config.replication_factor);
            return differs("replication factor", found.replicas.to_string(), wanted);
        }
        for (setting, value) in self.settings(plan).await? {
            if !fits(setting, &value) {
                let wanted =
                    if setting.at_least { format!("at least {}", setting.value) } else { setting.value.clone() };
                return differs(setting.name, value, wanted);
            }
        }
        Ok(())
    }

    /// The topic as the cluster has it. None if it is not there, or not led everywhere yet.
    async fn shape(&self, topic: &str) -> Result<Option<Shape>, KafkaError> {
        let (admin, name) = (self.admin.clone(), topic.to_owned());
        // All topics are asked for, since a question for one that is missing may make it.
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = admin.inner().fetch_metadata(None, LIMIT)?;
            let found = metadata.topics().iter().find(|topic| topic.name() == name);
            Ok(found.filter(|topic| topic.error().is_none()).and_then(|topic| {
                let led = topic.partitions().iter().all(|partition| partition.leader() >= 0);
                let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min()?;
                led.then_some(Shape { partitions: topic.partitions().len() as u32, replicas: replicas as i32 })
            }))
        });
        match asked.await {
            Ok(shape) => shape.map_err(|source| self.failed("ask for topics", source)),
            // The runtime is shutting down.
            Err(_) => Ok(None),
        }
    }

    async fn settings<'p>(&self, plan: &'p Plan<'_>) -> Result<Vec<(&'p Setting, String)>, KafkaError> {
        let failed = |source| self.failed("ask for the settings of topics", source);
        let topic = [ResourceSpecifier::Topic(plan.name)];
        let answer = self.admin.describe_configs(&topic, &self.options).await.map_err(failed)?;
        let resource = match answer.into_iter().next() {
            Some(Ok(resource)) => resource,
            Some(Err(code)) => return Err(failed(ClientError::AdminOp(code))),
            None => return Ok(Vec::new()),
        };
        let found = |setting: &Setting| resource.get(setting.name).and_then(|entry| entry.value.clone());
        Ok(plan.settings.iter().filter_map(|setting| Some((setting, found(setting)?))).collect())
    }

    /// Changes one setting of a topic, and waits until it is seen. The protocol sets all of them at once and resets what is not named, so
    /// those that the topic has of its own are given again.
    async fn set(&self, plan: &Plan<'_>, name: &str, value: &str) -> Result<(), KafkaError> {
        let failed = |source| self.failed("change the settings of topics", source);
        let answer = self.admin.describe_configs(&[ResourceSpecifier::Topic(plan.name)], &self.options).await;
        let resource = answer.map_err(failed)?.into_iter().next().transpose();
        let resource = resource.map_err(|code| failed(ClientError::AdminOp(code)))?;
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(plan.name));
        for entry in resource.iter().flat_map(|resource| &resource.entries) {
            if let (ConfigSource::DynamicTopic, Some(value)) = (&entry.source, &entry.value) {
                change = change.set(&entry.name, value);
            }
        }
        let altered = self.admin.alter_configs([&change.set(name, value)], &self.options).await.map_err(failed)?;
        if let Some(Err((_, code))) = altered.into_iter().next() {
            return Err(failed(ClientError::AdminOp(code)));
        }
        let started = Instant::now();
        loop {
            let settings = self.settings(plan).await?;
            if settings.iter().any(|(setting, found)| setting.name == name && found == value) {
                return Ok(());
            }
            if started.elapsed() > LIMIT {
                return Err(KafkaError::TimedOut {
                    action: format!("give topic {} the setting {name}={value}", plan.name),
                    brokers: self.config.brokers.clone(),
                    seconds: LIMIT.as_secs(),
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn failed(&self, action: &str, source: ClientError) -> KafkaError {
        KafkaError::cluster(action, &self.config.brokers, source)
    }
}

struct Shape {
    partitions: u32,
    replicas: i32,
}

fn fits(setting: &Setting, found: &str) -> bool {
    if !setting.at_least {
        return setting.value == found;
    }
    // -1 is without end.
    matches!((found.parse::<i64>(), setting.value.parse::<i64>()), (Ok(found), Ok(wanted)) if found >= wanted || found == -1)
}

/// Whether the cluster may well take the same request later.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::NotController
            | RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::OperationTimedOut
    )
}
