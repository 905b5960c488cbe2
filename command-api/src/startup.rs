//! From a configuration to a running instance, and back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use event_log::kafka::{
    ActivityWriter, KafkaConfig, KafkaError, KafkaLog, LogIdentity, MAX_RECORD_BYTES, Membership, MembershipConfig,
    OwnerHints, provision,
};
use event_log::owner::OwnerConfig;
use event_log::state::{LocalConfig, LocalStates, OpenError, Provenance, Snapshots, connect_objects};
use event_schema::codec::{Codec, RegistryConfig, RegistryError};
use service::auth::Verifier;
use service::config::ConfigError;
use service::health::Health;
use service::http::{HttpSettings, chassis, serve};
use service::shutdown::{BUDGET, Stages};
use service::startup::{StartupError, connect_with_retries};
use service::supervise::{OnCancel, OnError, Supervisor, TaskFailed};
use service::telemetry::{PrometheusHandle, keep_metrics};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::forward::Peers;
use crate::http::{Api, LogId};
use crate::owners::Owners;
use crate::ownership::{Ownership, all_served};
use crate::partition::actor::Host;
use crate::partition::queue::QueueLimits;
use crate::partition::recovery::{Recovery, chain};
use crate::partition::runtime::RuntimeConfig;
use crate::partition::stored;
use crate::routing::{Routing, Seats};
use crate::{http, owners, peer};

/// How long commands may take to settle when a partition is handed over.
const SETTLE_LIMIT: Duration = Duration::from_secs(8);
/// After this the group gives a partition to another though it was not handed over.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(10);
/// One partition may have this share of the requests that are served at a time, so that one that stands still leaves the others the rest.
const QUEUE_SHARE: usize = 8;
/// The share is no less than this, or than all of them; and no more than half of what another instance can pass on at a time.
const SMALLEST_QUEUE: usize = 64;
const LARGEST_QUEUE: usize = 2_048;
/// Bytes of contents that may be unanswered in one partition: twice the largest record.
const QUEUE_BYTES: usize = 2 * MAX_RECORD_BYTES;
/// Bytes of aggregates that are kept decoded in memory, of blocks of the local store, and of its unwritten tables: each for
/// all partitions together.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
const BLOCK_CACHE_BYTES: u64 = 8 * 1024 * 1024;
const WRITE_BUFFER_BYTES: u64 = 12 * 1024 * 1024;
/// Entries of a partition's state that may be unflushed, and for how long.
const FLUSH_ENTRIES: usize = 512;
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// An instance could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    // Not transparent: exit codes are told by the links of the chain, and a transparent error is no link.
    #[error("command-api cannot start")]
    Dependency(#[from] StartupError),
    #[error("command-api cannot start")]
    Config(#[from] ConfigError),
    #[error("the log cannot be used")]
    Kafka(#[source] KafkaError),
    #[error("the schema registry cannot be used")]
    Registry(#[from] RegistryError),
    #[error("{variable} is {address}, where this process cannot listen; free it or choose another")]
    Listen {
        variable: &'static str,
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the client for other instances cannot be set up")]
    Peers(#[from] reqwest::Error),
    #[error("the local state cannot be used")]
    State(#[source] OpenError),
}

impl From<KafkaError> for StartError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::Archive { .. } => Self::Config(ConfigError(chain(&error))),
            error => Self::Kafka(error),
        }
    }
}

/// A running instance.
pub struct Running {
    http_addr: SocketAddr,
    admin_addr: SocketAddr,
    health: Health,
    supervisor: Supervisor,
    log: KafkaLog,
    clients: Server,
    admin: Server,
    leave: CancellationToken,
    left: CancellationToken,
}

/// Starts an instance. It serves clients from the start; partitions follow as the group assigns them.
///
/// # Errors
/// When the configuration is wrong, or Kafka or the registry does not answer in five tries. Later outages end nothing.
pub async fn start(config: Config, metrics: PrometheusHandle) -> Result<Running, StartError> {
    let verifier =
        Verifier::from_file(&config.jwks_file).map_err(|error| ConfigError(format!("GROOT_JWKS_FILE: {error}")))?;
    let clients = listen("GROOT_HTTP_ADDR", config.http_addr).await?;
    let admin = listen("GROOT_ADMIN_ADDR", config.admin_addr).await?;
    let (http_addr, admin_addr) = (bound(&clients, config.http_addr), bound(&admin, config.admin_addr));
    let address = peer_address(&config, admin_addr)?;
    let instance = config.instance.clone().unwrap_or_else(fresh_name);
    let kafka = config.kafka(&instance);
    // Producers need half a second until they can send, and all of this takes its time beside it.
    let connect_to_log = async {
        let identity = connect_to_log(&kafka).await?;
        let log = KafkaLog::connect(&kafka)?;
        Ok((identity, log, OwnerHints::connect(&kafka, identity)?))
    };
    let ((identity, log, hints), codec) = tokio::try_join!(connect_to_log, connect_to_registry(config.registry()))?;
    let hints = Arc::new(hints);
    let recovery = open_state(&config, identity)?;
    let membership = MembershipConfig { hand_over_limit: HAND_OVER_LIMIT, ..MembershipConfig::new(config.group()) };
    let membership = Membership::join(&kafka, membership)?;

    let supervisor = Supervisor::new(CancellationToken::new());
    let seats = watch::Sender::new(Seats::new());
    let generation = watch::Sender::new(None);
    let waiting_for_registry = Arc::new(AtomicUsize::new(0));
    let health = health(&seats, &generation, hints.complete(), &waiting_for_registry);
    let peers = Peers::new(config.peer_secret.clone())?;
    let routing = Arc::new(Routing::new(identity.partitions, seats.subscribe(), hints.watch(), address.clone(), peers));

    let (api, description) = http::routes(Api {
        verifier,
        routing: routing.clone(),
        log: LogId(identity.log_id),
        activity: ActivityWriter::connect(&kafka)?,
        trusted_proxies: config.trusted_proxies.clone(),
    });
    let public = api.merge(service::openapi::router(description)).merge(health.routes());
    let public = chassis(public, &HttpSettings::from(config.http.clone()));
    let owners = Owners {
        instance: instance.clone(),
        address: address.clone(),
        partitions: identity.partitions,
        generation: generation.subscribe(),
        seats: seats.subscribe(),
        hints: hints.watch(),
    };
    let internal = service::admin::router(&health, metrics.clone())
        .merge(owners::routes(owners))
        .merge(peer::routes(peer::Access::new(config.peer_secret.as_deref()), routing));

    let leave = supervisor.token().child_token();
    let left = CancellationToken::new();
    let in_flight = config.http.http_max_in_flight as usize;
    let commands = (in_flight / QUEUE_SHARE).clamp(SMALLEST_QUEUE.min(in_flight), LARGEST_QUEUE);
    let queue = QueueLimits { commands, bytes: QUEUE_BYTES };
    let host = Host {
        log: log.clone(),
        codec: Arc::new(codec),
        hints,
        owner: OwnerConfig { owner: instance.clone(), lanes: kafka.lanes, ..OwnerConfig::default() },
        queue,
        runtime: RuntimeConfig {
            due_below: 2 * queue.commands,
            record_limit: MAX_RECORD_BYTES,
            source: "/groot/command-api".to_owned(),
            flush_entries: FLUSH_ENTRIES,
            flush_after: FLUSH_AFTER,
        },
        address,
        settle_limit: SETTLE_LIMIT,
        waiting_for_registry,
        recovery: recovery.clone(),
        cache_bytes: CACHE_BYTES / u64::from(identity.partitions.max(1)),
        snapshot_records: config.snapshot_records,
    };
    let ownership = Ownership {
        host,
        membership,
        supervisor: supervisor.clone(),
        seats,
        held: BTreeMap::new(),
        generation,
        leave: leave.clone(),
        left: left.clone().drop_guard(),
    };
    once(&supervisor, "ownership", ownership.run());
    supervisor.spawn("metrics", OnError::Restart, OnCancel::Finish, move |cancel| {
        let metrics = metrics.clone();
        async move {
            keep_metrics(metrics, cancel).await;
            Ok::<_, std::convert::Infallible>(())
        }
    });
    // Without a store no partition can go on here; other instances take over when this one ends.
    let state_dir = config.state_dir.clone();
    supervisor.spawn("local state", OnError::Shutdown, OnCancel::Drop, move |_| {
        let (states, directory) = (recovery.states.clone(), state_dir.clone());
        async move {
            let why = states.failed().await;
            Err::<Infallible, _>(StateFailed { directory, why }).map(|never| match never {})
        }
    });
    let clients = Server::start(&supervisor, "clients", clients, public, Port::Clients);
    let admin = Server::start(&supervisor, "admin", admin, internal, Port::Admin);
    tracing::info!(instance, http.addr = %http_addr, admin.addr = %admin_addr, log.id = identity.log_id, "command-api runs");
    Ok(Running { http_addr, admin_addr, health, supervisor, log, clients, admin, leave, left })
}

impl Running {
    /// Where clients are served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Completes when a task failed that the instance cannot be without; [`Running::stop`] tells which.
    pub async fn failed(&self) {
        self.supervisor.token().cancelled().await;
    }

    /// Stops accepting, finishes what runs, hands the partitions over and leaves the group, within 25 s.
    ///
    /// # Errors
    /// The failure that ended the instance, if one did.
    pub async fn stop(self) -> Result<(), TaskFailed> {
        let mut stages = Stages::within(BUDGET);
        self.health.stopping();
        stages.run("clients", Duration::from_secs(9), self.clients.stop()).await;
        self.leave.cancel();
        stages.run("hand-over", HAND_OVER_LIMIT, self.left.cancelled()).await;
        stages.run("admin", Duration::from_secs(2), self.admin.stop()).await;
        let supervisor = self.supervisor;
        supervisor.token().cancel();
        stages.run("tasks", Duration::from_secs(2), supervisor.finished()).await;
        stages.run("log", Duration::from_secs(3), self.log.close()).await;
        supervisor.failure().map_or(Ok(()), Err)
    }
}

/// A server and the tokens by which it is stopped.
struct Server {
    stop: CancellationToken,
    stopped: CancellationToken,
}

enum Port {
    Clients,
    Admin,
}

impl Server {
    fn start(supervisor: &Supervisor, name: &str, listener: TcpListener, router: Router, port: Port) -> Self {
        let stop = supervisor.token().child_token();
        let stopped = CancellationToken::new();
        let (shutdown, done) = (stop.clone(), stopped.clone().drop_guard());
        once(supervisor, name, async move {
            let _done = done;
            match port {
                Port::Clients => serve(listener, router, shutdown).await,
                Port::Admin => service::admin::serve(listener, router, shutdown).await,
            }
        });
        Self { stop, stopped }
    }

    async fn stop(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}

/// A task that cannot be begun anew: should it panic, the instance ends.
fn once(supervisor: &Supervisor, name: &str, task: impl Future<Output = ()> + Send + 'static) {
    let mut task = Some(task);
    supervisor.spawn(name, OnError::Shutdown, OnCancel::Finish, move |_| {
        let task = task.take();
        async move {
            if let Some(task) = task {
                task.await;
            }
            Ok::<_, std::convert::Infallible>(())
        }
    });
}

async fn connect_to_log(kafka: &KafkaConfig) -> Result<LogIdentity, StartError> {
    let attempt = || async {
        match provision(kafka).await {
            // Trying again would not help.
            Err(error) if !error.is_retryable() => Ok(Err(error)),
            result => result.map(Ok),
        }
    };
    Ok(connect_with_retries("Kafka", &kafka.brokers, attempt).await??)
}

async fn connect_to_registry(registry: RegistryConfig) -> Result<Codec, StartError> {
    let attempt = || async {
        match Codec::connect(registry.clone()).await {
            Err(error) if !error.is_retryable() => Ok(Err(error)),
            result => result.map(Ok),
        }
    };
    let address = service::config::without_credentials(&registry.url);
    Ok(connect_with_retries("the schema registry", &address, attempt).await??)
}

/// The store of this instance and the snapshots that all share.
fn open_state(config: &Config, identity: LogIdentity) -> Result<Recovery, StartError> {
    let objects = connect_objects(&config.object_store)
        .map_err(|error| ConfigError(format!("GROOT_OBJECT_STORE is {}: {}", config.object_store, chain(&error))))?;
    let local = LocalConfig {
        directory: config.state_dir.clone(),
        partitions: identity.partitions,
        provenance: Provenance { log_id: identity.log_id, schema: stored::schema() },
        block_cache: BLOCK_CACHE_BYTES,
        write_buffers: WRITE_BUFFER_BYTES,
    };
    let states = tokio::task::block_in_place(|| LocalStates::open(&local)).map_err(|error| match error {
        OpenError::InUse(_) | OpenError::Directory { .. } => {
            StartError::Config(ConfigError(format!("GROOT_STATE_DIR: {}", chain(&error))))
        }
        OpenError::Store { .. } => StartError::State(error),
    })?;
    let rebuild = if config.rebuild_state { (0..identity.partitions).collect() } else { Default::default() };
    Ok(Recovery { states, snapshots: Snapshots::new(objects), rebuild: Arc::new(Mutex::new(rebuild)) })
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the state in {} cannot be written or read any more, mend the disk and start again; what it lacks is in the log: {why}",
    .directory.display()
)]
struct StateFailed {
    directory: PathBuf,
    why: String,
}

fn health(
    seats: &watch::Sender<Seats>,
    generation: &watch::Sender<Option<i32>>,
    hints_complete: watch::Receiver<bool>,
    waiting_for_registry: &Arc<AtomicUsize>,
) -> Health {
    let health = Health::new();
    let generation = generation.subscribe();
    health.check("group", move || {
        let member = generation.borrow().is_some();
        std::future::ready(if member { Ok(()) } else { Err("not a member of the group yet".to_owned()) })
    });
    health.check("owners", move || {
        let known = *hints_complete.borrow();
        std::future::ready(if known { Ok(()) } else { Err("where the owners are is not known yet".to_owned()) })
    });
    let seats = seats.subscribe();
    health.check("partitions", move || std::future::ready(all_served(&seats.borrow())));
    let waiting = waiting_for_registry.clone();
    health.check("registry", move || {
        std::future::ready(match waiting.load(Ordering::Relaxed) {
            0 => Ok(()),
            count => Err(format!("{count} partitions wait for a schema that cannot be fetched")),
        })
    });
    health
}

async fn listen(variable: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { variable, address, source })
}

fn bound(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

/// Where other instances reach this one.
fn peer_address(config: &Config, admin: SocketAddr) -> Result<String, ConfigError> {
    match &config.peer_url {
        Some(url) => Ok(url.clone()),
        None if is_wildcard(admin.ip()) => Err(ConfigError(format!(
            "GROOT_PEER_URL is not set, and GROOT_ADMIN_ADDR is the wildcard {admin}; set it to where other instances \
             reach this one, such as http://10.0.0.7:{}",
            admin.port()
        ))),
        None => Ok(format!("http://{admin}")),
    }
}

fn is_wildcard(ip: IpAddr) -> bool {
    ip.is_unspecified()
}

fn fresh_name() -> String {
    format!("command-api-{}", &Uuid::new_v8(rand::random()).simple().to_string()[..8])
}
