//! The task of one partition: it drives the partition's runtime with commands, with what the log tells, with orders of
//! the group, and with time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use event_log::kafka::{
    Inbox, KafkaError, KafkaLog, OwnerHint, OwnerHints, PartitionLog, epoch_changed, record_skipped,
};
use event_log::log::LogEvent;
use event_log::owner::{Now, Owner, OwnerConfig};
use event_log::reader::Halt;
use event_log::record::Epoch;
use event_log::state::{Checkpoint, LocalState, SnapshotsError, StateError, StateStore};
use event_schema::codec::Codec;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::aggregates::Aggregates;
use super::approach::Approach;
use super::learning::{self, Learnt};
use super::meters::Meters;
use super::queue::QueueLimits;
use super::recovery::{Origin, Recovery, chain};
use super::request::Request;
use super::runtime::{Runtime, RuntimeConfig};
use super::seat::{Mailbox, Order, Phase, Standing, Start};
use super::submission::{Halted, Output};
use super::waiters::Waiters;

/// What the tasks of all partitions share.
#[derive(Clone)]
pub struct Host {
    pub log: KafkaLog,
    pub codec: Arc<Codec>,
    pub hints: Arc<OwnerHints>,
    pub owner: OwnerConfig,
    pub runtime: RuntimeConfig,
    /// Of each partition.
    pub queue: QueueLimits,
    /// Where other instances reach this one.
    pub address: String,
    /// How long pending commands may take to settle when the partition is handed over.
    pub settle_limit: Duration,
    /// How many partitions wait for the registry now.
    pub waiting_for_registry: Arc<AtomicUsize>,
    pub recovery: Recovery,
    /// Bytes of aggregates that each partition keeps in memory.
    pub cache_bytes: u64,
    /// Records after which a new snapshot is stored.
    pub snapshot_records: u64,
}

/// Why a run of the task ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    #[error("the log of partition {0} was closed while the partition was served")]
    LogClosed(u32),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Halted(#[from] Halted),
}

/// Records, and commands, that are taken at a time before answers go out.
const BATCH: usize = 256;
/// The longest sleep; a due time farther off is looked at again then.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What an operator can do about a partition that the log has halted.
const CURE: &str = "once it is known what was lost, a start with GROOT_REBUILD_STATE=true folds the log anew";

/// Runs until the partition was given up, or the token is cancelled.
pub async fn run(
    host: Host,
    partition: u32,
    mailbox: Arc<Mutex<Mailbox>>,
    cancel: CancellationToken,
) -> Result<(), ActorError> {
    let mut mailbox = mailbox.lock().await;
    if mailbox.leaving {
        return Ok(());
    }
    let Some((state, origin)) = recover(&host, partition, &mut mailbox, &cancel).await? else {
        mailbox.close();
        return Ok(());
    };
    let position = state.checkpoint().position;
    tracing::info!(partition, from = origin.label(), offset = position.next_offset, "folding the partition");
    let (log, inbox) = host.log.partition(partition);
    let owner = Owner::new(host.owner.clone(), partition, position, rand::random());
    let aggregates = Aggregates::new(state, host.cache_bytes);
    let mut runtime = Runtime::new(host.runtime.clone(), log, owner, host.codec.clone(), aggregates, rand::random());
    runtime.open();
    let mut actor = Actor {
        began: Instant::now(),
        meters: Meters::new(partition),
        waiters: Waiters::default(),
        learning: None,
        alarm: Box::pin(sleep(LONGEST_SLEEP)),
        snapshotting: None,
        snapshot_at: if origin == Origin::Snapshot { position.next_offset } else { 0 },
        start: Start { origin, offset: position.next_offset, folded: None },
        approach: Some(Approach::begin(&host.log, partition)),
        handing_over: None,
        leave_by: None,
        epoch: None,
        halted: None,
        broken: None,
        ended: false,
        partition,
        runtime,
        inbox,
        host,
    };
    let mut result = actor.drive(&mut mailbox, &cancel).await;
    if let Err(ActorError::Halted(Halted::State { damaged: true, .. })) = &result {
        tracing::warn!(partition, "the local state is discarded, since it is damaged");
        let discarded = actor.runtime.aggregates_mut().store_mut().discard();
        result = result.and(discarded.map_err(ActorError::from));
    }
    actor.farewell(&mut mailbox);
    result
}

/// What to start from; nothing if the partition is to be given up before that is known.
async fn recover(
    host: &Host,
    partition: u32,
    mailbox: &mut Mailbox,
    cancel: &CancellationToken,
) -> Result<Option<(LocalState, Origin)>, StateError> {
    let mut opening = std::pin::pin!(host.recovery.open(partition));
    loop {
        tokio::select! {
            biased;
            order = mailbox.orders.recv() => match order {
                Some(Order::Confirm { generation } | Order::Keep { generation }) => mailbox.generation = generation,
                Some(Order::HandOver | Order::Release) | None => break,
            },
            () = cancel.cancelled() => break,
            opened = &mut opening => return opened.map(Some),
        }
    }
    mailbox.leaving = true;
    Ok(None)
}

struct Actor {
    host: Host,
    partition: u32,
    runtime: Runtime<PartitionLog, LocalState>,
    inbox: Inbox,
    began: Instant,
    waiters: Waiters,
    meters: Meters,
    /// A record waits for its schema to be fetched; nothing more is read until then.
    learning: Option<(LogEvent, BoxFuture<'static, Learnt>)>,
    alarm: Pin<Box<Sleep>>,
    snapshotting: Option<BoxFuture<'static, Result<Option<Checkpoint>, SnapshotsError>>>,
    /// The offset at which the last snapshot was stored or tried.
    snapshot_at: u64,
    start: Start,
    /// The state cannot be used any more: this run ends.
    broken: Option<Halted>,
    /// Until the partition is claimed.
    approach: Option<Approach>,
    /// Since when the next owner's claim is waited for.
    handing_over: Option<Instant>,
    /// Set when the partition is to be given up: until then pending commands may settle.
    leave_by: Option<Instant>,
    epoch: Option<Epoch>,
    halted: Option<String>,
    ended: bool,
}

#[expect(clippy::large_enum_variant, reason = "one at a time is on its way, from one function to the next")]
enum Happening {
    Order(Option<Order>),
    Cancelled,
    End(Result<u64, KafkaError>),
    Learnt(Learnt),
    Log(Option<LogEvent>),
    Request(Option<Request>),
    Snapshot(Result<Option<Checkpoint>, SnapshotsError>),
    Time,
}

impl Actor {
    async fn drive(&mut self, mailbox: &mut Mailbox, cancel: &CancellationToken) -> Result<(), ActorError> {
        loop {
            self.flush();
            if let Some(broken) = self.broken.take() {
                return Err(broken.into());
            }
            self.snapshot_if_due();
            self.show_standing(mailbox);
            if self.ended {
                return Ok(());
            }
            match self.next(mailbox, cancel).await {
                Happening::Order(Some(order)) => self.obey(order, mailbox),
                // Nobody is left who could give orders.
                Happening::Order(None) | Happening::Cancelled => self.leave_now(mailbox),
                Happening::End(end) => self.approach(end, mailbox),
                Happening::Learnt(learnt) => self.learnt(learnt),
                Happening::Log(Some(event)) => self.read(event),
                Happening::Log(None) => return Err(ActorError::LogClosed(self.partition)),
                Happening::Request(Some(request)) => self.take(request, mailbox),
                Happening::Request(None) => self.leave_now(mailbox),
                Happening::Snapshot(outcome) => self.snapshotted(outcome),
                Happening::Time => {}
            }
            if self.approach.as_ref().is_some_and(|approach| approach.is_there(self.runtime.position().next_offset)) {
                self.approach = Some(Approach::begin(&self.host.log, self.partition));
            }
            if self.approach.is_some() {
                // A long fold lets those go first that serve.
                tokio::task::yield_now().await;
            }
            if self.leave_by.is_some_and(|limit| limit <= Instant::now()) {
                self.abandon();
            }
            self.runtime.tick(self.now(), Utc::now());
            self.runtime.flush();
        }
    }

    async fn next(&mut self, mailbox: &mut Mailbox, cancel: &CancellationToken) -> Happening {
        self.set_alarm();
        // While a schema is learnt nothing is read back, so nothing could be answered.
        let serving = self.runtime.owner().serving().is_some() && self.learning.is_none();
        // The log comes before commands: what it tells settles those that wait already.
        tokio::select! {
            biased;
            order = mailbox.orders.recv() => Happening::Order(order),
            () = cancel.cancelled() => Happening::Cancelled,
            end = asked(self.approach.as_mut()) => Happening::End(end),
            learnt = in_hand(self.learning.as_mut().map(|(_, learn)| learn)) => Happening::Learnt(learnt),
            event = self.inbox.recv(), if self.learning.is_none() => Happening::Log(event),
            request = mailbox.requests.recv(), if serving => Happening::Request(request),
            outcome = in_hand(self.snapshotting.as_mut()) => Happening::Snapshot(outcome),
            () = self.alarm.as_mut() => Happening::Time,
        }
    }

    fn obey(&mut self, order: Order, mailbox: &mut Mailbox) {
        match order {
            Order::Confirm { generation } if !mailbox.leaving => {
                mailbox.generation = generation;
                if self.approach.is_none() {
                    self.runtime.assign(self.now(), generation);
                }
            }
            Order::Keep { generation } if self.handing_over.take().is_some() => {
                mailbox.leaving = false;
                mailbox.generation = generation;
                self.runtime.assign(self.now(), generation);
            }
            Order::Confirm { .. } | Order::Keep { .. } => {}
            Order::HandOver => {
                mailbox.leaving = true;
                self.handing_over = Some(Instant::now());
                self.runtime.hand_over(Utc::now(), self.now());
                self.end_if_idle();
            }
            Order::Release => {
                mailbox.leaving = true;
                self.leave_by = Some(Instant::now() + self.host.settle_limit);
                self.runtime.release(Utc::now(), self.now());
                self.end_if_idle();
            }
        }
    }

    /// Claims the partition if its end is near.
    fn approach(&mut self, end: Result<u64, KafkaError>, mailbox: &Mailbox) {
        let next_offset = self.runtime.position().next_offset;
        self.approach = match end {
            Ok(end) => Approach::toward(end, next_offset),
            Err(error) => {
                tracing::warn!(partition = self.partition, "the partition is claimed before it is folded: {error}");
                None
            }
        };
        if self.approach.is_none() {
            self.runtime.assign(self.now(), mailbox.generation);
        }
    }

    fn leave_now(&mut self, mailbox: &mut Mailbox) {
        mailbox.leaving = true;
        self.abandon();
    }

    fn abandon(&mut self) {
        self.leave_by = Some(Instant::now());
        self.runtime.abandon(Utc::now(), self.now());
        self.end_if_idle();
    }

    /// An owner that held nothing has nothing to tell when it stops.
    fn end_if_idle(&mut self) {
        self.ended |= self.runtime.owner().is_idle();
    }

    /// Takes commands that are here. All of them are decided before any of them is waited for.
    fn take(&mut self, first: Request, mailbox: &mut Mailbox) {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(Request { submission, waiter, entry }) = next else { return };
            if entry.take() {
                let ticket = self.waiters.add(waiter);
                self.runtime.submit(self.now(), Utc::now(), ticket, submission);
            }
            next = if self.runtime.owner().serving().is_some() { mailbox.requests.try_recv().ok() } else { None };
        }
        if let Some(Request { submission, waiter, entry }) = next
            && entry.take()
        {
            let ticket = self.waiters.add(waiter);
            self.runtime.submit(self.now(), Utc::now(), ticket, submission);
        }
    }

    /// Feeds what the log tells, as far as it is here and its schemas are known.
    fn read(&mut self, first: LogEvent) {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(event) = next else { return };
            match learning::unknown(&self.host.codec, &event) {
                Some(value) => {
                    self.host.waiting_for_registry.fetch_add(1, Ordering::Relaxed);
                    let learn = learning::learn(self.host.codec.clone(), value, self.partition);
                    self.learning = Some((event, learn));
                    return;
                }
                None => self.runtime.handle(self.now(), Utc::now(), event),
            }
            next = self.inbox.try_recv();
        }
        if let Some(event) = next {
            self.runtime.handle(self.now(), Utc::now(), event);
        }
    }

    fn learnt(&mut self, learnt: Learnt) {
        self.host.waiting_for_registry.fetch_sub(1, Ordering::Relaxed);
        let Some((event, _)) = self.learning.take() else { return };
        if let Err(error) = learnt {
            // If the record counts, the runtime halts on it; one that does not count needs no schema.
            tracing::error!(partition = self.partition, "the schema of a record cannot be had: {error}");
        }
        self.runtime.handle(self.now(), Utc::now(), event);
    }

    /// Passes on what the runtime has to say.
    fn flush(&mut self) {
        while let Some(output) = self.runtime.poll() {
            match output {
                Output::Answer(ticket, answer) => self.waiters.answer(ticket, answer, &self.meters),
                Output::Serving(epoch) => {
                    let folded = *self.start.folded.get_or_insert(epoch.offset - self.start.offset.min(epoch.offset));
                    tracing::info!(
                        partition = self.partition,
                        epoch = epoch.offset,
                        aggregates = self.runtime.aggregates().len(),
                        from = self.start.origin.label(),
                        folded,
                        "serving the partition"
                    );
                    epoch_changed(self.partition);
                    self.epoch = Some(epoch);
                    let hint =
                        OwnerHint { address: self.host.address.clone(), owner: self.host.owner.owner.clone(), epoch };
                    self.host.hints.publish(self.partition, &hint);
                }
                Output::Released(_) => {}
                Output::InDoubt => {
                    tracing::warn!(
                        partition = self.partition,
                        "the log does not confirm what was appended: claiming the partition anew"
                    );
                }
                Output::Deposed(claim) => {
                    epoch_changed(self.partition);
                    self.epoch = None;
                    let (partition, by, epoch) = (self.partition, claim.owner, claim.epoch.offset);
                    if let Some(since) = self.handing_over {
                        self.meters.handed_over(since.elapsed());
                        tracing::info!(partition, to = by, epoch, "handed the partition over");
                    } else {
                        tracing::warn!(partition, by, epoch, "another claim took the partition over");
                    }
                }
                Output::Skipped(skip) => record_skipped(self.partition, skip),
                Output::Halted(why @ Halted::State { .. }) => {
                    self.epoch = None;
                    self.broken = Some(why);
                }
                Output::Halted(why) => {
                    tracing::error!(partition = self.partition, "the partition is halted: {why}");
                    self.halted = Some(match why {
                        // Nothing is wrong with what was derived.
                        Halted::Log(Halt::Archive { .. }) => why.to_string(),
                        Halted::Log(_) => format!("{why} ({CURE})"),
                        _ => why.to_string(),
                    });
                    self.epoch = None;
                }
                // A halted partition keeps its seat, so that operators see why.
                Output::Stopped => self.ended |= self.leave_by.is_some() || self.handing_over.is_some(),
            }
        }
        self.meters.show(self.epoch.filter(|_| self.runtime.owner().serving().is_some()), self.waiters.len());
    }

    /// Begins to store a snapshot when enough has come since the last one.
    fn snapshot_if_due(&mut self) {
        let stored = self.runtime.aggregates().store().checkpoint().position.next_offset;
        let due = stored >= self.snapshot_at.saturating_add(self.host.snapshot_records);
        // While a long log is folded, there will soon be a better one.
        if due && self.snapshotting.is_none() && self.runtime.owner().serving().is_some() {
            self.snapshot_at = stored;
            let state = self.runtime.aggregates().store();
            self.snapshotting = Some(Box::pin(self.host.recovery.snapshots.store(state, self.host.snapshot_records)));
        }
    }

    fn snapshotted(&mut self, outcome: Result<Option<Checkpoint>, SnapshotsError>) {
        self.snapshotting = None;
        match outcome {
            Ok(Some(Checkpoint { position, aggregates, .. })) => tracing::info!(
                partition = self.partition,
                offset = position.next_offset,
                aggregates,
                "stored a snapshot of the partition"
            ),
            Ok(None) => {}
            // The next is tried after as many records again.
            Err(error) => tracing::warn!(
                partition = self.partition,
                error = chain(&error),
                "no snapshot of the partition could be stored"
            ),
        }
    }

    /// Whoever still waits is sent on.
    fn farewell(mut self, mailbox: &mut Mailbox) {
        self.flush();
        if self.learning.take().is_some() {
            self.host.waiting_for_registry.fetch_sub(1, Ordering::Relaxed);
        }
        self.meters.show(None, 0);
        // Until the next run, if there is one, nobody decides anything here.
        mailbox.standing.send_modify(|standing| (standing.phase, standing.epoch) = (Phase::Folding, None));
        if mailbox.leaving {
            mailbox.close();
            tracing::info!(partition = self.partition, "gave the partition up");
        }
    }

    /// Whoever watches is woken up by another phase or epoch; figures are there when somebody looks.
    fn show_standing(&self, mailbox: &Mailbox) {
        mailbox.standing.send_if_modified(|shown| {
            let former = std::mem::replace(shown, self.standing());
            former.phase != shown.phase || former.epoch != shown.epoch
        });
    }

    fn standing(&self) -> Standing {
        let phase = match &self.halted {
            Some(why) => Phase::Halted(why.clone()),
            None if self.leave_by.is_some() => Phase::Releasing,
            None if self.learning.is_some() => Phase::WaitingForRegistry,
            None if self.runtime.owner().serving().is_some() => {
                if self.handing_over.is_some() {
                    Phase::HandingOver
                } else {
                    Phase::Serving
                }
            }
            None => Phase::Folding,
        };
        Standing {
            phase,
            epoch: self.epoch,
            pending: self.waiters.len(),
            next_offset: self.runtime.position().next_offset,
            aggregates: self.runtime.aggregates().len(),
            start: Some(self.start),
        }
    }

    fn now(&self) -> Now {
        self.began.elapsed()
    }

    /// An alarm that goes off too early does no harm, and setting it anew for every record would cost more.
    fn set_alarm(&mut self) {
        let wake = self.wake_at();
        if wake < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(wake);
        }
    }

    /// When something is to be done though nothing happens.
    fn wake_at(&self) -> Instant {
        let owner = self.runtime.owner().wake_at().map(|at| self.began + at);
        let flush = self.runtime.flush_at().map(|at| self.began + at);
        let due = self.runtime.next_due().map(|(at, _)| {
            let wait = Duration::from_millis(u64::try_from(at - Utc::now().timestamp_millis()).unwrap_or_default());
            // A timer may fire within the millisecond before.
            Instant::now() + wait.min(LONGEST_SLEEP) + Duration::from_millis(1)
        });
        [owner, flush, due, self.leave_by].into_iter().flatten().fold(Instant::now() + LONGEST_SLEEP, Instant::min)
    }
}

/// Waits for what is in hand; for ever if nothing is.
async fn in_hand<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Waits for where the log ends, while that is asked.
async fn asked(approach: Option<&mut Approach>) -> Result<u64, KafkaError> {
    match approach {
        Some(Approach::Asking(end)) => end.await,
        _ => std::future::pending().await,
    }
}
