//! One partition: read, decode, project, write, again and again.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chrono::Utc;
use event_log::kafka::{AssignedPartition, CommitStream, Delivery};
use event_log::position::Position;
use event_log::reader::{Commit, Halt};
use event_log::record::LogRecord;
use read_model::Projection as Names;
use tokio::time::Instant;

use crate::dead_letter::{DeadLetter, Parked, Standing};
use crate::projection::{Changes, Cleared, Projection, Saved, StoreFailure};
use crate::runner::meters::{self, Written};
use crate::runner::parked::{Held, ParkedKeys};
use crate::runner::patience::{End, FIRST_PAUSE, Patience, sleep_until};
use crate::runner::sorting::{Reading, Sorted, sort};
use crate::runner::status::State;
use crate::runner::{Shared, decode};

/// The bound of a batch; the commit that reaches it is still part of it. That of its bytes is the projection's.
pub const MAX_EVENTS: usize = 10_000;

/// So many bytes of records are projected in place: to hand them to another thread and back takes as long as they do, a few tenths of a
/// millisecond at the most.
const IN_PLACE: usize = 8 * 1024;
/// Letters of a key that one transaction projects, so that it stays within the time that the store gives it.
const RETRIED_AT_ONCE: u32 = 1_000;
/// What they are taken for: nobody has counted.
const LETTERS_BYTES: u64 = 1024 * 1024;

/// Projects one partition for as long as it is this process's.
#[derive(Debug)]
pub struct Worker<P> {
    shared: Arc<Shared<P>>,
    partition: u32,
    patience: Patience,
}

/// The place of a partition in the log and in the store.
#[derive(Debug)]
pub struct Place {
    stream: CommitStream,
    saved: Saved,
    parked: ParkedKeys,
    /// Events that the store has refused in a batch which has to be made anew, and why.
    refused: BTreeMap<u64, String>,
    /// Nothing from this offset on is read.
    end: u64,
}

impl Place {
    /// The offset after the last record that is in the store.
    pub fn next_offset(&self) -> u64 {
        self.saved.position.next_offset
    }

    /// Whether all records before the end were read, and what counts of them is in the store.
    pub fn is_at_end(&self) -> bool {
        self.stream.next_offset() >= self.end && self.saved.begun.is_none()
    }
}

impl<P: Projection> Worker<P> {
    pub fn new(shared: Arc<Shared<P>>, partition: u32) -> Self {
        let patience = Patience::new(shared.projection.names(), partition, shared.status.clone());
        Self { shared, partition, patience }
    }

    /// Projects until the partition is revoked. A halted partition is held until then, so that its state can be seen.
    pub async fn run(self, assigned: AssignedPartition) {
        let status = &self.shared.status;
        status.set(self.partition, State::Loading);
        match self.begin(assigned, u64::MAX).await {
            Ok(mut place) => {
                tracing::info!(
                    projection = self.names().name,
                    partition = self.partition,
                    offset = place.saved.position.next_offset,
                    "projecting"
                );
                let end = loop {
                    if let Err(end) = self.step(&mut place).await {
                        break end;
                    }
                };
                if let End::Halted(why) = end {
                    self.patience.stay_halted(why, || place.stream.is_revoked()).await;
                }
            }
            Err((End::Halted(why), assigned)) => self.patience.stay_halted(why, || assigned.is_revoked()).await,
            Err((End::Revoked, _)) => {}
        }
        status.forget(self.partition);
    }

    /// Asks the store where it is and starts to read there, up to an offset. Waits for a store that is away.
    ///
    /// # Errors
    /// [`End`], with the partition that it was to read.
    pub async fn begin(&self, assigned: AssignedPartition, end: u64) -> Result<Place, (End, AssignedPartition)> {
        let loaded = self.load(|| assigned.is_revoked()).await;
        match loaded {
            Ok((saved, parked)) => {
                self.shared.status.written(self.partition, saved.position.next_offset);
                let stream = assigned.read_from(saved.position).limits(self.shared.batch_events, P::BATCH_BYTES);
                let (parked_keys, refused) = (ParkedKeys::new(Vec::new()), BTreeMap::new());
                let mut place = Place { stream, saved, parked: parked_keys, refused, end };
                self.hold(&mut place, parked);
                Ok(place)
            }
            Err(end) => Err((end, assigned)),
        }
    }

    /// Waits for events, and returns when they are in the store, or when somebody else was found to have written them. While
    /// something is parked it also does what operators want of that.
    pub async fn step(&self, place: &mut Place) -> Result<(), End> {
        if let (None, Some(why)) = (place.saved.begun, self.too_many(&place.parked)) {
            self.patience.stand_still(why);
            if let Some(look_at) = place.parked.look_at() {
                sleep_until(look_at, || place.stream.is_revoked()).await?;
            }
            return self.look_after_parked(place).await;
        }
        let Some(delivery) = next(place).await else {
            return self.look_after_parked(place).await;
        };
        let delivery = match delivery {
            Ok(Some(delivery)) => delivery,
            Ok(None) => return Err(End::Revoked),
            Err(halt) => return Err(End::Halted(halt.to_string())),
        };
        let oldest = oldest(&delivery);
        self.shared.status.read(self.partition, oldest);
        let Delivery { commits, position, bytes, .. } = delivery;
        let mut records = Vec::with_capacity(commits.iter().map(|commit| commit.records.len()).sum());
        records.extend(commits.into_iter().flat_map(|Commit { records, .. }| records));
        // A batch that was begun and moves no position, of letters, has to be ended all the same.
        if records.is_empty() && position == place.saved.position && place.saved.begun.is_none() {
            return Ok(());
        }
        let reading = self.read(place, records).await?;
        let Sorted { batch, events, letters } = self.sort(place, reading).await?;
        self.tell_of(&place.parked, &letters);
        let changes = Changes { letters, ..Changes::from(Arc::new(batch)) };
        let begin = Instant::now();
        if self.write(place, &changes, position, bytes).await? {
            self.add(place, &changes.letters);
            let now = Utc::now().timestamp_millis();
            meters::written(
                self.names(),
                Written {
                    events,
                    bytes,
                    write_seconds: begin.elapsed().as_secs_f64(),
                    oldest_age_seconds: oldest.map(|oldest| (now - oldest).max(0) as f64 / 1000.0),
                },
            );
        }
        self.shared.status.written(self.partition, place.saved.position.next_offset);
        Ok(())
    }

    /// Does what operators want of what is parked.
    async fn look_after_parked(&self, place: &mut Place) -> Result<(), End> {
        let projection = &self.shared.projection;
        let mut did = false;
        loop {
            let order = self.patience.asked(|| projection.order(self.partition), || place.stream.is_revoked()).await?;
            let Some((key, standing)) = order else { break };
            did = true;
            if standing == Standing::Drop {
                self.give_up(place, key).await?;
            } else {
                self.retry(place, key).await?;
            }
        }
        place.parked.looked();
        if did {
            let parked =
                self.patience.asked(|| projection.parked(self.partition), || place.stream.is_revoked()).await?;
            self.hold(place, parked);
        }
        if self.too_many(&place.parked).is_none() {
            // The store may have been away meanwhile.
            self.shared.status.written(self.partition, place.saved.position.next_offset);
        }
        Ok(())
    }

    /// Of the letters the first stays, as the mark of what is left out from there on.
    async fn give_up(&self, place: &mut Place, key: String) -> Result<(), End> {
        let first = self.letters(place, &key, 1).await?.pop();
        let letters = first.map(|first| DeadLetter { standing: Standing::Dropped, ..first }).into_iter().collect();
        let cleared = Some(Cleared { key: key.clone(), through: u64::MAX, rest_waits: false });
        let batch = self.nothing()?;
        if self.write(place, &Changes { batch, cleared, letters }, place.saved.position, 0).await? {
            tracing::warn!(
                projection = self.names().name,
                partition = self.partition,
                key,
                "given up, as an operator wants"
            );
        }
        Ok(())
    }

    /// Projects the first letters of a key. What cannot be is parked again, with all behind it.
    async fn retry(&self, place: &mut Place, key: String) -> Result<(), End> {
        let letters = self.letters(place, &key, RETRIED_AT_ONCE).await?;
        let Some(through) = letters.last().map(|letter| letter.record.offset) else { return Ok(()) };
        let to = place.saved.position;
        let reading = self.read(place, letters.iter().map(|letter| letter.record.clone()).collect()).await?;
        let Sorted { batch, events, letters: remain } = self.sort_among(BTreeMap::new(), reading).await?;
        let cleared = Cleared { key: key.clone(), through, rest_waits: !remain.is_empty() };
        let left = remain.len();
        let changes = Changes { batch: Arc::new(batch), cleared: Some(cleared.clone()), letters: remain };
        match self.write(place, &changes, to, LETTERS_BYTES).await {
            Ok(true) => {
                tracing::warn!(
                    projection = self.names().name,
                    partition = self.partition,
                    key,
                    events,
                    left,
                    "tried again"
                );
                Ok(())
            }
            Ok(false) => Ok(()),
            // The store lacks something that they need. They wait on, and nobody else for them.
            Err(End::Halted(why)) => {
                let waiting = |letter| DeadLetter { standing: Standing::Waiting, reason: why.clone(), ..letter };
                let letters = letters.into_iter().map(waiting).collect();
                let cleared = Some(Cleared { rest_waits: true, ..cleared });
                let batch = self.nothing()?;
                self.write(place, &Changes { batch, cleared, letters }, to, 0).await.map(drop)
            }
            Err(End::Revoked) => Err(End::Revoked),
        }
    }

    /// The batch of a write that changes letters alone.
    fn nothing(&self) -> Result<Arc<P::Batch>, End> {
        let batch = self.shared.projection.project(&[]);
        batch.map(Arc::new).map_err(|unprojectable| End::Halted(unprojectable.to_string()))
    }

    fn hold(&self, place: &mut Place, parked: Vec<Parked>) {
        place.parked = ParkedKeys::new(parked);
        meters::parked(self.names(), self.partition, place.parked.waiting());
    }

    fn add(&self, place: &mut Place, letters: &[DeadLetter]) {
        place.parked.add(letters);
        meters::parked(self.names(), self.partition, place.parked.waiting());
    }

    /// Why nothing goes on before an operator has seen to what is parked.
    pub fn stands_still(&self, place: &Place) -> Option<String> {
        self.too_many(&place.parked)
    }

    /// Why the partition stands still, if more is parked than may be.
    fn too_many(&self, parked: &ParkedKeys) -> Option<String> {
        let (waiting, limit) = (parked.waiting(), self.shared.parked_limit);
        (waiting > limit).then(|| {
            let Names { name, version } = self.names();
            format!(
                "{waiting} aggregates are parked and {limit} may be: look at them with `replay-tool dead-letters list \
                 --projection {name} --version {version}` and retry or drop them, or raise GROOT_PARKED_LIMIT"
            )
        })
    }

    /// Says of each key that is parked now why it is.
    fn tell_of(&self, parked: &ParkedKeys, letters: &[DeadLetter]) {
        meters::parked_events(self.names(), letters.len());
        let mut told = HashSet::new();
        for letter in letters {
            let (DeadLetter { record, reason, .. }, key) = (letter, letter.key());
            if parked.keys().contains_key(&key) || !told.insert(key.clone()) {
                continue;
            }
            tracing::error!(
                projection = self.names().name,
                partition = self.partition,
                offset = record.offset,
                key,
                error = reason,
                "parked: the event is not projected until an operator retries or drops it"
            );
        }
    }

    async fn letters(&self, place: &Place, key: &str, limit: u32) -> Result<Vec<DeadLetter>, End> {
        let ask = || self.shared.projection.letters(self.partition, key, limit);
        self.patience.asked(ask, || place.stream.is_revoked()).await
    }

    /// Tells of each record what it says, or why that cannot be told.
    ///
    /// # Errors
    /// When the record is not at fault: this build is too old for it, or the registry is not the one that it was written with.
    async fn read(&self, place: &Place, records: Vec<LogRecord>) -> Result<Reading, End> {
        let mut reading = Reading::with_capacity(records.len());
        for record in records {
            let mut pause = FIRST_PAUSE;
            let event = loop {
                if let Some(why) = place.refused.get(&record.offset) {
                    break Err(why.clone());
                }
                match decode::event(&self.shared.codec, &record).await {
                    Ok(event) => break Ok(event),
                    Err(error) if error.is_retryable() => {
                        self.patience
                            .wait("registry", error.to_string(), &mut pause, || place.stream.is_revoked())
                            .await?;
                    }
                    Err(error) if error.is_of_the_record() => break Err(error.to_string()),
                    Err(error) => return Err(End::Halted(error.to_string())),
                }
            };
            reading.push(record, event);
        }
        Ok(reading)
    }

    async fn sort(&self, place: &Place, reading: Reading) -> Result<Sorted<P::Batch>, End> {
        self.sort_among(place.parked.keys().clone(), reading).await
    }

    /// Rendering much takes its time, so that does not hold up the other tasks.
    async fn sort_among(&self, parked: BTreeMap<String, Held>, reading: Reading) -> Result<Sorted<P::Batch>, End> {
        let bytes = reading.size();
        let shared = self.shared.clone();
        let sort = move || sort(&shared.projection, parked, reading);
        let panicked = || End::Halted("projecting panicked; the log has the details".to_owned());
        let sorted = if bytes <= IN_PLACE {
            catch_unwind(AssertUnwindSafe(sort)).map_err(|_| panicked())?
        } else {
            tokio::task::spawn_blocking(sort).await.map_err(|died| match died.is_panic() {
                true => panicked(),
                false => End::Revoked,
            })?
        };
        sorted.map_err(|unprojectable| End::Halted(unprojectable.to_string()))
    }

    /// Whether the batch was written. Else reading goes on from where the store is: somebody else has written it, or the store refuses
    /// some of it, which is known from now on.
    async fn write(
        &self,
        place: &mut Place,
        changes: &Changes<P::Batch>,
        to: Position,
        bytes: u64,
    ) -> Result<bool, End> {
        let mut pause = FIRST_PAUSE;
        loop {
            let room = self.shared.room.take(bytes, || place.stream.is_revoked()).await?;
            let write = self.shared.projection.write(self.partition, changes.clone(), place.saved, to);
            match write.await {
                Ok(saved) => {
                    place.saved = saved;
                    place.refused.clear();
                    return Ok(true);
                }
                Err(StoreFailure::Superseded) => {
                    meters::superseded(self.names());
                    let (saved, parked) = self.load(|| place.stream.is_revoked()).await?;
                    self.patience.must_not_be_lost(place.saved, saved)?;
                    place.saved = saved;
                    self.hold(place, parked);
                    tracing::warn!(
                        projection = self.names().name,
                        partition = self.partition,
                        offset = place.saved.position.next_offset,
                        "the checkpoint had moved already: going on from there"
                    );
                    place.stream.rewind(place.saved.position);
                    return Ok(false);
                }
                Err(StoreFailure::Refused(refused)) => {
                    place.refused.extend(refused.into_iter().map(|refused| (refused.offset, refused.why)));
                    place.stream.rewind(place.saved.position);
                    return Ok(false);
                }
                Err(StoreFailure::Halt(why)) => return Err(End::Halted(why)),
                Err(failure @ StoreFailure::Lost(_)) => return Err(self.patience.lost(failure.to_string())),
                Err(StoreFailure::Unavailable(why)) => {
                    // Others may have it meanwhile.
                    drop(room);
                    self.patience.wait("store", why, &mut pause, || place.stream.is_revoked()).await?;
                }
            }
        }
    }

    async fn load(&self, is_revoked: impl Fn() -> bool) -> Result<(Saved, Vec<Parked>), End> {
        let projection = &self.shared.projection;
        let saved = self.patience.asked(|| projection.take_up(self.partition), &is_revoked).await?;
        let parked = self.patience.asked(|| projection.parked(self.partition), &is_revoked).await?;
        Ok((saved, parked))
    }

    fn names(&self) -> Names {
        self.shared.projection.names()
    }
}

/// The next delivery, or none when it is time to look after what is parked.
///
/// A batch that was begun comes before everything else, with the bounds that it had.
async fn next(place: &mut Place) -> Option<Result<Option<Delivery>, Halt>> {
    if let Some(end) = place.saved.begun {
        return Some(place.stream.through(end).await);
    }
    let Some(look_at) = place.parked.look_at() else {
        return Some(place.stream.next_until(place.end).await);
    };
    tokio::select! {
        biased;
        () = tokio::time::sleep_until(look_at) => None,
        delivery = place.stream.next_until(place.end) => Some(delivery),
    }
}

fn oldest(delivery: &Delivery) -> Option<i64> {
    Some(delivery.commits.first()?.records.first()?.timestamp)
}
