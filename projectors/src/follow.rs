//! Keeping versions of a projection up with the log: those that their store says are to be followed, each by a group of its own.
//!
//! The store is asked every second. A version that was filled is taken up then, from where whoever has filled it left off, and one that
//! was retired is let go. One of which the store has lost what was written is let go as well, and taken up again from what there is.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use event_log::kafka::{KafkaConfig, KafkaError, KafkaLog, MembershipConfig, Subscription};
use futures::future::{BoxFuture, FutureExt};
use read_model::{Projection as Names, Versions};
use serde::Serialize;
use service::health::Health;
use service::supervise::{OnCancel, OnError, Supervisor};
use tokio_util::sync::CancellationToken;

use crate::dead_letter::Parked;
use crate::projection::StoreFailure;
use crate::runner::status::{PartitionReport, Status};
use crate::runner::{Reads, Runner, lag, meters};

/// What is read into the versions of one store.
pub(crate) trait Follows: Send + Sync + 'static {
    type Reads: Reads;

    /// Names it in its first version.
    const FIRST: Names;

    fn versions(&self) -> impl Future<Output = Result<Versions, StoreFailure>> + Send;

    fn prepare(&self, version: u32) -> impl Future<Output = Result<(), StoreFailure>> + Send;

    fn reads(&self, version: u32, log: KafkaLog, status: Status) -> Self::Reads;
}

/// The topic that is read, and by whom.
pub(crate) struct Topic {
    pub kafka: KafkaConfig,
    pub group_prefix: String,
    pub ready_lag: Duration,
}

/// What is followed, running under the supervisor that it was started with. Cheap to clone.
#[derive(Clone)]
pub struct Running(Arc<dyn Runs>);

/// A [`Follower`] of anything.
trait Runs: Send + Sync {
    fn status(&self) -> Status;
    fn report(&self) -> BoxFuture<'_, Vec<ProjectionReport>>;
    fn close(&self) -> BoxFuture<'_, ()>;
}

struct Follower<F: Follows> {
    follows: F,
    topic: Topic,
    supervisor: Supervisor,
    now: Mutex<Now<F::Reads>>,
}

struct Now<R> {
    live: u32,
    followed: BTreeMap<u32, Arc<Followed<R>>>,
    /// Versions that were let go, until nothing more is written to them.
    ending: BTreeMap<u32, CancellationToken>,
}

/// One version, while it is followed.
struct Followed<R> {
    reads: Arc<R>,
    log: KafkaLog,
    status: Status,
    stop: CancellationToken,
    ended: CancellationToken,
    /// Which partition is looked after next.
    turn: AtomicUsize,
}

/// How a projection is doing in this process, for people.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionReport {
    /// The projection where it is the version that readers read, else with its version.
    pub projection: String,
    pub version: u32,
    /// Of all partitions together; None until the ends of all of them are known.
    pub lag_records: Option<u64>,
    /// Of the one that is furthest behind.
    pub lag_seconds: f64,
    pub partitions: Vec<PartitionReport>,
    /// To a hundred of them.
    pub parked: Vec<Parked>,
    /// Why not all that is parked is known.
    pub parked_unknown: Option<String>,
}

/// How often the store is asked for its versions.
const EVERY: Duration = Duration::from_secs(1);
/// As many parked keys as are told.
const MOST_PARKED: usize = 100;

impl Running {
    /// Begins with these versions, and goes on with those that the store has, under the supervisor. Adds a check with the projection's
    /// name, which tells of the live version.
    pub(crate) fn start<F: Follows>(
        follows: F,
        topic: Topic,
        versions: &Versions,
        health: &Health,
        supervisor: &Supervisor,
    ) -> Result<Self, KafkaError> {
        let now = Mutex::new(Now { live: versions.live, followed: BTreeMap::new(), ending: BTreeMap::new() });
        let follower = Arc::new(Follower { follows, topic, supervisor: supervisor.clone(), now });
        for version in &versions.followed {
            follower.begin(*version)?;
        }
        let name = F::FIRST.name;
        let checked = follower.clone();
        health.check(name, move || std::future::ready(checked.readiness()));
        let following = follower.clone();
        supervisor.spawn(format!("{name} versions"), OnError::Restart, OnCancel::Drop, move |_| {
            let follower = following.clone();
            async move {
                follower.keep_looking().await;
                Ok::<_, Infallible>(())
            }
        });
        Ok(Self(follower))
    }

    /// How the partitions of the live version are doing in this process.
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// How all versions are doing.
    pub async fn report(&self) -> Vec<ProjectionReport> {
        self.0.report().await
    }

    /// Lets the last writes end and closes the connections. The supervisor's tasks must have finished.
    pub async fn close(self) {
        self.0.close().await;
    }
}

impl<F: Follows> Runs for Follower<F> {
    fn status(&self) -> Status {
        let now = self.now();
        now.followed.get(&now.live).map_or_else(|| Status::new(F::FIRST), |followed| followed.status.clone())
    }

    fn report(&self) -> BoxFuture<'_, Vec<ProjectionReport>> {
        let (live, followed) = {
            let now = self.now();
            (now.live, now.followed.values().cloned().collect::<Vec<_>>())
        };
        async move {
            let mut reports = Vec::new();
            for followed in followed {
                reports.push(followed.report(live).await);
            }
            reports
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let followed = std::mem::take(&mut self.now().followed);
        async move {
            for followed in followed.into_values() {
                followed.close().await;
            }
        }
        .boxed()
    }
}

impl<F: Follows> Follower<F> {
    fn readiness(&self) -> Result<(), String> {
        let now = self.now();
        match now.followed.get(&now.live) {
            Some(followed) => followed.status.readiness(self.topic.ready_lag),
            None => Err(format!("version {} is not followed just now: it is taken up within seconds", now.live)),
        }
    }

    async fn keep_looking(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(why) = self.look().await {
                tracing::warn!(
                    projection = F::FIRST.name,
                    error = why,
                    "which versions to follow is not known just now"
                );
            }
        }
    }

    /// Takes up and lets go what the store says.
    async fn look(&self) -> Result<(), String> {
        let versions = self.follows.versions().await.map_err(|failure| failure.to_string())?;
        let (added, gone) = {
            let mut now = self.now();
            now.live = versions.live;
            now.ending.retain(|_, ended| !ended.is_cancelled());
            let is_new = |version: &u32| !now.followed.contains_key(version) && !now.ending.contains_key(version);
            let added: Vec<u32> = versions.followed.iter().copied().filter(is_new).collect();
            let gone = now.followed.keys().copied().filter(|version| !versions.followed.contains(version));
            (added, gone.collect::<Vec<u32>>())
        };
        for version in added {
            self.follows.prepare(version).await.map_err(|failure| failure.to_string())?;
            self.begin(version).map_err(|error| error.to_string())?;
            tracing::info!(projection = F::FIRST.name, version, "following");
        }
        for version in gone {
            if self.let_go(version) {
                tracing::info!(projection = F::FIRST.name, version, "retired: it is followed no longer");
            }
        }
        let followed = self.now().followed.clone();
        for (version, followed) in followed {
            if let Some(why) = followed.lost().await {
                let name = F::FIRST.name;
                tracing::error!(
                    projection = name,
                    version,
                    "the store has lost what was written, taking it up anew: {why}"
                );
                meters::store_lost(F::FIRST.in_version(version));
                self.let_go(version);
            }
        }
        Ok(())
    }

    /// Whether it was followed.
    fn let_go(&self, version: u32) -> bool {
        let mut now = self.now();
        let Some(followed) = now.followed.remove(&version) else { return false };
        // Whoever reads it closes it.
        followed.stop.cancel();
        now.ending.insert(version, followed.ended.clone());
        true
    }

    /// Reads what the group of a version gives to this process.
    fn begin(&self, version: u32) -> Result<(), KafkaError> {
        let names = F::FIRST.in_version(version);
        let Topic { kafka, group_prefix, .. } = &self.topic;
        let log = KafkaLog::connect(kafka)?;
        let group = MembershipConfig::new(format!("{group_prefix}.{}", names.full_name()));
        let subscription = Subscription::start(kafka, group, log.clone())?;
        let status = Status::new(names);
        let reads = Arc::new(self.follows.reads(version, log.clone(), status.clone()));
        let whole = self.supervisor.token();
        let stop = whole.child_token();
        let followed = Arc::new(Followed {
            reads: reads.clone(),
            log: log.clone(),
            status: status.clone(),
            stop: stop.clone(),
            ended: CancellationToken::new(),
            turn: AtomicUsize::default(),
        });
        let (measured, until) = ((status, log), stop.clone());
        self.supervisor.spawn(format!("{} lag", names.full_name()), OnError::Restart, OnCancel::Finish, move |_| {
            let (status, log) = measured.clone();
            lag::keep_measuring(status, log, until.clone())
        });
        let mut runner = Some((Runner::new(reads, subscription, self.supervisor.clone()), followed.clone()));
        // It can fail only by a panic, after which the process has to begin anew.
        self.supervisor.spawn(names.full_name(), OnError::Shutdown, OnCancel::Finish, move |_| {
            let (runner, stop, whole) = (runner.take(), stop.clone(), whole.clone());
            async move {
                if let Some((runner, followed)) = runner {
                    runner.run_until(stop).await;
                    if !whole.is_cancelled() {
                        followed.close().await;
                        followed.ended.cancel();
                    }
                }
                Ok::<_, Infallible>(())
            }
        });
        self.now().followed.insert(version, followed);
        Ok(())
    }

    fn now(&self) -> MutexGuard<'_, Now<F::Reads>> {
        // Each change of it is made whole.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Reads> Followed<R> {
    async fn close(&self) {
        self.reads.settled().await;
        self.log.clone().close().await;
    }

    /// Why what was written is to be taken for lost, if it is. Each time another partition is looked after: one without events would never
    /// notice by itself. A store that is away says nothing.
    async fn lost(&self) -> Option<String> {
        if self.status.is_store_lost() {
            return Some("a position went back".to_owned());
        }
        let (partition, written) = self.status.one_in_turn(self.turn.fetch_add(1, Ordering::Relaxed))?;
        match self.reads.stored(partition).await {
            Ok(Some(found)) if found < written => {
                Some(format!("partition {partition} had all before {written}, and has all before {found} now"))
            }
            Err(failure @ StoreFailure::Lost(_)) => Some(failure.to_string()),
            _ => None,
        }
    }

    async fn report(&self, live: u32) -> ProjectionReport {
        let names = self.reads.names();
        self.status.measure(|partition| self.log.end_offset(partition), Utc::now().timestamp_millis());
        let partitions = self.status.report();
        let mut report = ProjectionReport {
            projection: if names.version == live { names.name.to_owned() } else { names.full_name() },
            version: names.version,
            lag_records: partitions.iter().map(|partition| partition.lag_records).sum(),
            lag_seconds: partitions.iter().map(|partition| partition.lag_seconds).fold(0.0, f64::max),
            partitions,
            parked: Vec::new(),
            parked_unknown: None,
        };
        for partition in &report.partitions {
            match self.reads.parked(partition.partition).await {
                Ok(keys) => report.parked.extend(keys),
                Err(failure) => report.parked_unknown = Some(failure.to_string()),
            }
            if report.parked.len() >= MOST_PARKED {
                report.parked.truncate(MOST_PARKED);
                break;
            }
        }
        report
    }
}
