//! Drives a real owner on a real partition.

use std::time::{Duration, Instant};

use bytes::Bytes;
use event_log::kafka::{Delivery, Inbox, KafkaLog, PartitionLog, read_partition};
use event_log::log::{Log, LogEvent};
use event_log::owner::{Owner, OwnerConfig, Told};
use event_log::position::Position;
use event_log::record::{Headers, RecordDraft, header};
use uuid::Uuid;

pub struct Driver {
    pub owner: Owner,
    pub log: PartitionLog,
    inbox: Inbox,
    started: Instant,
    /// Added to the clock, to let deadlines pass.
    pub ahead: Duration,
}

impl Driver {
    pub fn new(log: &KafkaLog, partition: u32, name: &str, seed: u64) -> Self {
        let config = OwnerConfig { owner: name.to_owned(), ..OwnerConfig::default() };
        let owner = Owner::new(config, partition, Position::START, seed);
        let (mut log, inbox) = log.partition(partition);
        log.open(partition, owner.next_offset());
        Self { owner, log, inbox, started: Instant::now(), ahead: Duration::ZERO }
    }

    /// A driver whose owner serves already.
    pub async fn serving(log: &KafkaLog, partition: u32, name: &str, generation: i32) -> Self {
        let seed = rand::random();
        let mut driver = Self::new(log, partition, name, seed);
        driver.assign(generation);
        driver.until("serving", |told| matches!(told, Told::Serving(_))).await;
        driver
    }

    pub fn now(&self) -> Duration {
        self.started.elapsed() + self.ahead
    }

    pub fn assign(&mut self, generation: i32) {
        let now = self.now();
        self.owner.assign(&mut self.log, now, generation);
    }

    pub fn propose(&mut self, commit: Uuid, events: Vec<RecordDraft>) {
        let now = self.now();
        self.owner.propose(now, commit, events).unwrap();
        self.owner.flush(&mut self.log);
    }

    /// Lets time pass by this much for the owner alone.
    pub fn tick_after(&mut self, pause: Duration) {
        self.ahead += pause;
        let now = self.now();
        self.owner.tick(&mut self.log, now);
    }

    /// Goes on until something is told that answers; gives all that was told up to then.
    pub async fn until(&mut self, what: &str, mut answers: impl FnMut(&Told) -> bool) -> Vec<Told> {
        let mut heard = Vec::new();
        super::soon(what, async {
            loop {
                while let Some(told) = self.owner.poll() {
                    let found = answers(&told);
                    heard.push(told);
                    if found {
                        return;
                    }
                }
                let wake = self.owner.wake_at().unwrap_or(Duration::MAX).saturating_sub(self.now());
                let event = tokio::select! {
                    event = self.inbox.recv() => event,
                    () = tokio::time::sleep(wake.min(Duration::from_secs(1))) => None,
                };
                let now = self.now();
                match event {
                    Some(LogEvent::Record(record)) => self.owner.record(&mut self.log, now, record),
                    Some(LogEvent::Appended { id, .. }) => self.owner.appended(id),
                    Some(LogEvent::AppendFailed { id, .. }) => self.owner.append_failed(&mut self.log, now, id),
                    Some(LogEvent::ReadFailed { halt, .. }) => self.owner.halt(&mut self.log, halt),
                    None => {}
                }
                self.owner.tick(&mut self.log, now);
            }
        })
        .await;
        heard
    }

    pub async fn until_released(&mut self, commit: Uuid) -> Vec<Told> {
        self.until("the commit released", |told| matches!(told, Told::Released(c) if c.id == commit)).await
    }
}

/// An event with this content, in the form that owners append.
pub fn event(content: impl Into<Bytes>) -> RecordDraft {
    let mut headers = Headers::default();
    headers.push(header::RECORD_ID, Uuid::now_v7().to_string());
    headers.push(header::RECORD_TYPE, "groot.test.Happened");
    RecordDraft { key: Some(Bytes::from_static(b"aggregate")), value: Some(content.into()), headers }
}

/// The commits that were told void, in order.
pub fn voided(told: &[Told]) -> Vec<Uuid> {
    let void = |told: &Told| match told {
        Told::Void(commits) => commits.clone(),
        _ => Vec::new(),
    };
    told.iter().flat_map(void).collect()
}

/// All that a partition holds, as a reader of its own finds it.
pub async fn fold(log: &KafkaLog, partition: u32) -> Vec<Delivery> {
    let end = log.end_offsets().await.unwrap()[partition as usize];
    let mut deliveries = Vec::new();
    let read = read_partition(log, partition, Position::START, end, |delivery| deliveries.push(delivery));
    super::soon("the end of the partition", read).await.unwrap();
    deliveries
}

/// The ids of the commits in force, in order.
pub async fn commits(log: &KafkaLog, partition: u32) -> Vec<Uuid> {
    fold(log, partition).await.iter().flat_map(|delivery| &delivery.commits).map(|commit| commit.id).collect()
}
