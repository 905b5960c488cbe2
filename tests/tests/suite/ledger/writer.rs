//! Writes events into a partition as its owner does.

use std::time::{Duration, Instant};

use event_log::kafka::{Inbox, PartitionLog, partition_for};
use event_log::log::{Log, LogEvent};
use event_log::owner::{Owner, OwnerConfig, Told};
use event_log::position::Position;
use event_log::record::{Headers, RecordDraft};
use uuid::Uuid;

use super::histories::Happened;
use super::{Ledger, soon};

/// The owner of one partition.
pub struct Writer {
    owner: Owner,
    log: PartitionLog,
    inbox: Inbox,
    started: Instant,
}

impl Writer {
    /// Claims the partition; a writer that had it is deposed.
    pub async fn claim(ledger: &Ledger, partition: u32) -> Self {
        let owner = Owner::new(OwnerConfig::default(), partition, Position::START, rand::random());
        let (mut log, inbox) = ledger.log.partition(partition);
        log.open(partition, owner.next_offset());
        let mut writer = Self { owner, log, inbox, started: Instant::now() };
        let now = writer.started.elapsed();
        writer.owner.assign(&mut writer.log, now, 1);
        writer.until("the claim", |told| matches!(told, Told::Serving(_))).await;
        writer
    }

    /// Appends these records as one commit, and returns when it counts.
    pub async fn commit(&mut self, records: Vec<RecordDraft>) {
        let commit = Uuid::now_v7();
        let now = self.started.elapsed();
        self.owner.propose(now, commit, records).unwrap();
        self.owner.flush(&mut self.log);
        self.until("the commit", |told| matches!(told, Told::Released(released) if released.id == commit)).await;
    }

    async fn until(&mut self, what: &str, answers: impl Fn(&Told) -> bool) {
        let wait = async {
            loop {
                while let Some(told) = self.owner.poll() {
                    if answers(&told) {
                        return;
                    }
                }
                let event = tokio::time::timeout(Duration::from_millis(100), self.inbox.recv()).await;
                let now = self.started.elapsed();
                match event {
                    Ok(Some(LogEvent::Record(record))) => self.owner.record(&mut self.log, now, record),
                    Ok(Some(LogEvent::Appended { id, .. })) => self.owner.appended(id),
                    Ok(Some(other)) => panic!("{other:?}"),
                    Ok(None) => panic!("the log was closed"),
                    Err(_) => {}
                }
                self.owner.tick(&mut self.log, now);
            }
        };
        soon(what, wait).await;
    }
}

/// The record of an event.
pub fn record(ledger: &Ledger, happened: &Happened) -> RecordDraft {
    let encoded = ledger.codec.encode(&happened.event);
    let mut headers = Headers::default();
    happened.meta.write_headers(encoded.schema_fp, |name, value| headers.push_text(name, value));
    let key = happened.event.key(happened.meta.aggregate_id).to_string();
    RecordDraft { key: Some(key.into()), value: Some(encoded.value), headers }
}

/// Writers of all partitions.
pub struct Writers(Vec<Writer>);

impl Writers {
    pub async fn claim(ledger: &Ledger) -> Self {
        let mut writers = Vec::new();
        for partition in 0..ledger.identity.partitions {
            writers.push(Writer::claim(ledger, partition).await);
        }
        Self(writers)
    }

    /// Appends each event to its partition, as a commit of its own.
    pub async fn append(&mut self, ledger: &Ledger, events: &[Happened]) {
        for happened in events {
            let key = happened.event.key(happened.meta.aggregate_id).to_string();
            let partition = partition_for(key.as_bytes(), ledger.identity.partitions);
            self.0[partition as usize].commit(vec![record(ledger, happened)]).await;
        }
    }
}
