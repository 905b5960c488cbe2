//! Building the process from its configuration, and running it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use service::auth::Verifier;
use service::config::{ConfigError, without_credentials};
use service::health::Health;
use service::shutdown::{BUDGET, Stages};
use service::startup::{StartupError, connect_with_retries};
use service::supervise::{OnCancel, OnError, Supervisor, TaskFailed};
use service::telemetry::PrometheusHandle;
use service::{admin, http, openapi};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::analytics::{self, Figures, Tables};
use crate::config::Config;
use crate::dashboard;
use crate::follow::Follower;
use crate::live::socket::{self, Sockets};
use crate::live::{Live, figures, happenings, stream};
use crate::posts::by_id::cache::PostCache;
use crate::posts::list::query::{TOTALS, Totals};
use crate::progress::{Checkpoints, Progress};
use crate::projections::{self, Projectors};
use crate::read::{Readers, Reads};
use crate::search::{self, Index, Searches};
use crate::store::Store;
use crate::{comments, people, posts};

/// A process that is ready to run: connected, and listening on both ports.
pub struct App {
    http: TcpListener,
    admin: TcpListener,
    public: Router,
    operators: Router,
    health: Health,
    store: Store,
    posts: PostCache,
    progress: Progress<Store>,
    search: Searches,
    live: Live,
    /// Ends what would never end by itself.
    stopping: CancellationToken,
    analytics: Figures,
}

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("query-api cannot start with this configuration")]
    Config(#[from] ConfigError),
    #[error("query-api cannot start")]
    Mongodb(#[from] StartupError),
    #[error("{variable}={address} cannot be listened on; free the port or choose another")]
    Listen { variable: &'static str, address: SocketAddr, source: io::Error },
}

/// How long running requests get to finish, and how long the rest gets after them.
const REQUESTS_LIMIT: Duration = Duration::from_secs(16);
const TASKS_LIMIT: Duration = Duration::from_secs(4);
const STORE_LIMIT: Duration = Duration::from_secs(2);

/// Connects, trying MongoDB five times, and binds both ports; port 0 is any free one. Without `metrics` the admin port
/// has no `/metrics`.
pub async fn build(config: &Config, metrics: Option<PrometheusHandle>) -> Result<App, BuildError> {
    let verifier = Verifier::from_file(&config.jwks_file).map_err(|error| refused("GROOT_JWKS_FILE", &error))?;
    let store = Store::new(&config.mongodb_uri, &config.mongodb_database)
        .await
        .map_err(|error| refused("GROOT_MONGODB_URI", &error))?;
    let address = without_credentials(&config.mongodb_uri);
    connect_with_retries("MongoDB", &address, || store.ping()).await?;

    let health = Health::new();
    let pinged = store.clone();
    health.check("mongodb", move || {
        let store = pinged.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    });
    let progress = Progress::new(store.clone());
    let index = Index::new(&config.elasticsearch_url, &config.elasticsearch_prefix)
        .map_err(|error| refused("GROOT_ELASTICSEARCH_URL", &error))?;
    let projectors =
        Projectors::new(config.projectors_urls.clone()).map_err(|error| refused("GROOT_PROJECTORS_URLS", &error))?;
    let search = Searches { progress: Progress::new(index.clone()), index };
    let analytics = Figures::new(Tables::new(&config.clickhouse()));
    let posts = PostCache::new(store.clone(), u64::from(config.post_cache_mib) << 20);
    let reads = Readers {
        store: store.clone(),
        progress: progress.clone(),
        posts: posts.clone(),
        totals: Totals::of(TOTALS),
        search: search.clone(),
        analytics: analytics.clone(),
        projectors,
        verifier,
    };
    let (live, stopping) = (Live::new(), CancellationToken::new());
    let sockets = Sockets { live: live.clone(), stopping: stopping.clone() };
    let routes = routes(reads.into(), sockets).merge(dashboard::router()).merge(health.routes());
    Ok(App {
        http: listen("GROOT_HTTP_ADDR", config.http_addr).await?,
        admin: listen("GROOT_ADMIN_ADDR", config.admin_addr).await?,
        public: http::chassis(routes, &config.http.clone().into()),
        operators: match metrics {
            Some(metrics) => admin::router(&health, metrics),
            None => health.admin_routes(),
        },
        health,
        store,
        posts,
        progress,
        search,
        live,
        stopping,
        analytics,
    })
}

impl App {
    /// Where clients are served.
    pub fn http_addr(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Where operators are served.
    pub fn admin_addr(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until cancelled, then lets running requests finish and closes the connections.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), TaskFailed> {
        let Self {
            http,
            admin,
            public,
            operators,
            health,
            store,
            posts,
            progress,
            search,
            analytics,
            live,
            stopping: over,
        } = self;
        let supervisor = Supervisor::new(cancel);
        poll(&supervisor, "documents-poller", progress.clone());
        poll(&supervisor, "search-poller", search.progress);
        poll(&supervisor, "analytics-poller", analytics.progress);
        tell(&supervisor, live, store.clone());
        follow(&supervisor, Follower { store: store.clone(), posts, progress });
        // Operators are served to the very end, so that a slow shutdown can be watched.
        let ended = CancellationToken::new();
        let stopping = supervisor.token();
        let serve_admin = service::admin::serve(admin, operators, ended.clone());
        let serve_public = async {
            let serving = http::serve(http, public, stopping.clone());
            tokio::pin!(serving);
            let served = tokio::select! {
                () = &mut serving => true,
                () = stopping.cancelled() => false,
            };
            health.stopping();
            over.cancel();
            let mut stages = Stages::within(BUDGET);
            if !served {
                stages.run("requests", REQUESTS_LIMIT, serving).await;
            }
            let finished = stages.run("tasks", TASKS_LIMIT, supervisor.finished()).await;
            stages.run("mongodb", STORE_LIMIT, store.close()).await;
            ended.cancel();
            finished.unwrap_or(Ok(()))
        };
        let ((), finished) = tokio::join!(serve_admin, serve_public);
        finished
    }
}

/// Reads the checkpoints of a store while somebody waits for them.
fn poll<S: Checkpoints>(supervisor: &Supervisor, name: &str, progress: Progress<S>) {
    supervisor.spawn(name, OnError::Restart, OnCancel::Drop, move |cancel| {
        let progress = progress.clone();
        async move {
            progress.poll(cancel).await;
            Ok::<_, Infallible>(())
        }
    });
}

/// Hears of what changes in MongoDB, and tells it.
fn follow(supervisor: &Supervisor, follower: Follower) {
    supervisor.spawn("follower", OnError::Restart, OnCancel::Drop, move |cancel| {
        let follower = follower.clone();
        async move {
            follower.keep_following(cancel).await;
            Ok::<_, Infallible>(())
        }
    });
}

/// Measures and follows what is told to those who listen.
fn tell(supervisor: &Supervisor, live: Live, store: Store) {
    let Live { figures: measured, happenings: followed } = live;
    supervisor.spawn("figures", OnError::Restart, OnCancel::Drop, move |cancel| {
        let told = measured.clone();
        async move {
            figures::keep_measuring(told, cancel).await;
            Ok::<_, Infallible>(())
        }
    });
    supervisor.spawn("happenings", OnError::Restart, OnCancel::Drop, move |cancel| {
        let (told, store) = (followed.clone(), store.clone());
        async move {
            happenings::keep_following(store, told, cancel).await;
            Ok::<_, Infallible>(())
        }
    });
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Groot query API",
        description = "Posts, their history and comments, people, searches and figures, as the projections have them. To read what you have just \
                       written, send the position of the command as Groot-Min-Position.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "posts", description = "Posts and their history"),
        (name = "comments", description = "What people say to posts"),
        (name = "people", description = "Authors"),
        (name = "search", description = "Posts by their words"),
        (name = "projections", description = "How far the read side has come"),
        (name = "live", description = "What is told without asking"),
        (name = "analytics", description = "What happened, counted"),
    ),
)]
struct Api;

fn routes(reads: Reads, sockets: Sockets) -> Router {
    let (router, mut api) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(posts::list::route::list))
        .routes(routes!(posts::by_id::route::by_id))
        .routes(routes!(posts::history::route::history))
        .routes(routes!(comments::route::list))
        .routes(routes!(people::route::by_id))
        .routes(routes!(search::route::search))
        .routes(routes!(search::suggest::suggest))
        .routes(routes!(analytics::overview::overview))
        .routes(routes!(analytics::series::timeseries))
        .routes(routes!(analytics::series::events_hourly))
        .routes(routes!(analytics::top::top_posts))
        .routes(routes!(analytics::top::top_authors))
        .routes(routes!(analytics::top::countries))
        .routes(routes!(projections::route::list))
        .with_state(reads)
        .merge(
            OpenApiRouter::new()
                .routes(routes!(socket::metrics))
                .routes(routes!(stream::happenings))
                .with_state(sockets),
        )
        .split_for_parts();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    api.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    router.merge(openapi::router(api))
}

fn refused(variable: &str, error: &dyn std::error::Error) -> ConfigError {
    ConfigError(format!("{variable} has a value that is not allowed: {error}"))
}

async fn listen(variable: &'static str, address: SocketAddr) -> Result<TcpListener, BuildError> {
    TcpListener::bind(address).await.map_err(|source| BuildError::Listen { variable, address, source })
}
