//! How the clients of the cluster are set up, each setting with its reason.

use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

/// The most that key, value and headers of one record may take together, in bytes.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// What topics and clients allow a batch to take: a record of [`MAX_RECORD_BYTES`] and what framing adds to it.
pub(super) const MAX_BATCH_BYTES: usize = MAX_RECORD_BYTES + 64 * 1024;

/// How long activity is tried to be stored. An answer waits for it.
pub(super) const ACTIVITY_LIMIT: Duration = Duration::from_secs(5);

/// Where the cluster is and how the log is laid out on it.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// The name that this process bears in the brokers' logs and quotas.
    pub client_id: String,
    pub events_topic: String,
    pub owners_topic: String,
    pub log_topic: String,
    /// Where facts go that decide nothing. It has as many partitions as the events.
    pub activity_topic: String,
    /// How many partitions the events have. It is fixed when the topic is made, since it decides where each aggregate is.
    pub partitions: u32,
    /// Copies of each partition. An existing topic may have more.
    pub replication_factor: i32,
    /// Copies that must have a record before it is acknowledged. An existing topic may ask for more.
    pub min_insync_replicas: i32,
    /// How many producers are kept ready for owners to move between. 0 in a process that only reads.
    pub lanes: u8,
    /// Where the archive of the events is, a directory or a URL: records that were deleted from the cluster are read from there.
    pub archive: Option<String>,
    /// All that the archive has is read from there, also what the cluster still holds: it is spared, and the archive proved.
    pub archive_first: bool,
}

impl KafkaConfig {
    /// The layout for one broker on the same machine.
    pub fn local(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            client_id: "groot".to_owned(),
            events_topic: "groot.events".to_owned(),
            owners_topic: "groot.owners".to_owned(),
            log_topic: "groot.log".to_owned(),
            activity_topic: "groot.activity".to_owned(),
            partitions: 12,
            replication_factor: 1,
            min_insync_replicas: 1,
            lanes: 3,
            archive: None,
            archive_first: false,
        }
    }

    /// The same cluster with the activity in the place of the events, for those who read it: partitions of both are shared out and
    /// fetched alike.
    #[must_use]
    pub fn of_activity(&self) -> Self {
        Self {
            events_topic: self.activity_topic.clone(),
            client_id: format!("{}.activity", self.client_id),
            lanes: 0,
            // Activity that has expired is gone.
            archive: None,
            ..self.clone()
        }
    }

    /// What all clients have in common.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            // A broker that comes back is used again within a second, not within the ten of the default.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // A broker that hangs keeps its connections, so that only silence tells of it. Who leads instead is asked for all
            // the time, since nothing else would tell while requests wait; and those are given up after this, a little more
            // than an append may take, not after the minute of the default.
            .set("topic.metadata.refresh.interval.ms", "1000")
            .set("socket.timeout.ms", "10000")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// The consumer that reads events of manually assigned partitions.
    pub(super) fn tail(&self) -> ClientConfig {
        let mut config = self.client();
        config
            // Manual assignment asks for a group's name, but never joins it and never commits to it.
            .set("group.id", format!("{}.tail", self.client_id))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A log that does not have the wanted offset must halt the reader, never be read from elsewhere.
            .set("auto.offset.reset", "error")
            // There are no transactions in the log; a foreign one left open must not hold readers back.
            .set("isolation.level", "read_uncommitted")
            .set("check.crcs", "true")
            // The broker answers as soon as there is a byte. The longest wait is short because a partition that is opened
            // joins the next fetch: the one that runs has to end first.
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "50")
            // How long a partition whose queue was full stays out of fetches.
            .set("fetch.queue.backoff.ms", "10")
            // Read-ahead per partition: at most one of the first two and one fetch more. While a log is folded all partitions read
            // ahead at once, and this is most of the memory that it takes: a record waits decompressed, and of the bytes the client
            // counts its value alone, which of small events is a tenth of what they take with their headers. So they are counted
            // by number. A single batch that is larger comes whole all the same.
            .set("queued.min.messages", "1000")
            .set("queued.max.messages.kbytes", "512")
            .set("fetch.message.max.bytes", (128 * 1024).to_string())
            .set("fetch.max.bytes", (4 * MAX_BATCH_BYTES).to_string())
            .set("receive.message.max.bytes", (5 * MAX_BATCH_BYTES).to_string());
        config
    }

    /// The same for partitions that are far behind: all of them have much to fetch, so that short waits cost nothing.
    pub(super) fn catch_up(&self) -> ClientConfig {
        let mut config = self.tail();
        config.set("fetch.wait.max.ms", "5").set("fetch.queue.backoff.ms", "1");
        config
    }

    /// A producer of the pool that appends events.
    pub(super) fn lane(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // These two are for liveness: an append is neither given up nor let pass by a later one while the owner still
            // waits for it. What counts is decided by readers.
            .set("enable.gapless.guarantee", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .set("message.max.bytes", MAX_BATCH_BYTES.to_string())
            .set("queue.buffering.max.messages", "100000")
            // An upper bound that is never met: what owners may have pending is bounded before it gets here, and a full
            // queue would end their epochs.
            .set("queue.buffering.max.kbytes", "1048576");
        config
    }

    /// The producer that restores one partition from the archive.
    pub(super) fn restorer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            // Nothing is sent twice, and nothing behind what failed: the first that failed waits for four minutes at least, all
            // others behind it, and whoever restores gives up long before. No record has a time of its own: those that were
            // handed over later would outlive the first, and be sent behind the gap.
            .set("max.in.flight.requests.per.connection", "1")
            .set("retry.backoff.ms", "300000")
            .set("retry.backoff.max.ms", "300000")
            // Which follows that otherwise.
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
            .set("message.max.bytes", MAX_BATCH_BYTES.to_string())
            .set("queue.buffering.max.messages", "100000")
            // More than is ever on its way.
            .set("queue.buffering.max.kbytes", "131072");
        config
    }

    /// The producer of what decides nothing: idempotent, and given up after a while.
    pub(super) fn activity(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // Nobody waits for a single record, so that many can share a batch.
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
            .set("message.timeout.ms", ACTIVITY_LIMIT.as_millis().to_string())
            .set("queue.buffering.max.messages", "100000")
            // What waits while the cluster is away; whoever comes when it is full is told so.
            .set("queue.buffering.max.kbytes", "65536");
        config
    }

    /// The member of a group that never fetches.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            // A dead member is noticed after this.
            .set("session.timeout.ms", "6000")
            // A living one hears of a rebalance by its next heartbeat, so this bounds how long a hand-over takes.
            .set("heartbeat.interval.ms", "200")
            // How long the group waits for a member that takes part but does not finish its hand-over.
            .set("max.poll.interval.ms", "60000")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "latest")
            .set("fetch.message.max.bytes", "1024")
            .set("queued.max.messages.kbytes", "64");
        config
    }
}
