use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::routing::get;
use axum::{Json, Router};
use futures::future::{BoxFuture, FutureExt, join_all};
use projectors::activity;
use projectors::analytics::catalog::AnalyticsCatalog;
use projectors::archive::{self, args::ArchiveArgs};
use projectors::catalog::Catalog;
use projectors::config::{
    Cli, ClickhouseArgs, ElasticsearchArgs, MongodbArgs, ProcessArgs, ProjectionCommand, SourceArgs,
};
use projectors::documents::catalog::DocumentsCatalog;
use projectors::projection::StoreFailure;
use projectors::search::catalog::SearchCatalog;
use projectors::{Running, Source, StartError, StoreAddress, connected, runner};
use service::health::Health;
use service::shutdown::{self, BUDGET, Stages};
use service::supervise::{OnCancel, OnError, Supervisor};
use service::{admin, config, http, startup, telemetry};
use tokio::net::TcpListener;

/// Waits until a projection has let go of its store.
type Closing = BoxFuture<'static, ()>;

/// What projections run in.
struct Process {
    health: Health,
    supervisor: Supervisor,
    reports: Reports,
}

/// Of the projections that run, for `/projections`.
type Reports = Arc<Mutex<Vec<Running>>>;

#[tokio::main]
async fn main() -> ExitCode {
    let cli: Cli = config::read();
    let result = match cli.projection {
        ProjectionCommand::Documents(args) => {
            run(&args.process, async |process| Ok(vec![process.documents(&args.source, &args.store).await?])).await
        }
        ProjectionCommand::Search(args) => {
            run(&args.process, async |process| Ok(vec![process.search(&args.source, &args.store).await?])).await
        }
        ProjectionCommand::Analytics(args) => {
            run(&args.process, async |process| Ok(vec![process.analytics(&args.source, &args.store).await?])).await
        }
        ProjectionCommand::All(args) => {
            run(&args.process, async |process| {
                let (documents, search, analytics) = tokio::try_join!(
                    process.documents(&args.source, &args.mongodb),
                    process.search(&args.source, &args.elasticsearch),
                    process.analytics(&args.source, &args.clickhouse),
                )?;
                Ok(vec![documents, search, analytics])
            })
            .await
        }
        ProjectionCommand::Archive(args) => {
            run(&args.process, async |process| Ok(vec![process.archive(&args).await?])).await
        }
    };
    match result {
        Ok(()) => ExitCode::from(startup::EXIT_OK),
        Err(error) => startup::exit_code(error.as_ref()),
    }
}

impl Process {
    async fn documents(&self, source: &SourceArgs, store: &MongodbArgs) -> Result<Closing, StartError> {
        let MongodbArgs { mongodb_uri: uri, mongodb_database: database } = store;
        let address = StoreAddress { name: "MongoDB", url: uri };
        self.start(source, address, async || DocumentsCatalog::connect(uri, database).await).await
    }

    async fn search(&self, source: &SourceArgs, store: &ElasticsearchArgs) -> Result<Closing, StartError> {
        let ElasticsearchArgs { elasticsearch_url: url, elasticsearch_prefix: prefix } = store;
        let address = StoreAddress { name: "Elasticsearch", url };
        self.start(source, address, async || SearchCatalog::connect(url, prefix).await).await
    }

    async fn analytics(&self, source: &SourceArgs, store: &ClickhouseArgs) -> Result<Closing, StartError> {
        let clickhouse = store.address();
        let address = StoreAddress { name: "ClickHouse", url: &clickhouse.url };
        let connect = async || AnalyticsCatalog::connect(&clickhouse).await;
        let source = &Source::from(source);
        let events = connected(source, address, connect).await?;
        let Self { health, supervisor, .. } = self;
        let activity = activity::start(source, &events, health, supervisor).await?;
        let events = events.start(source, health, supervisor)?;
        self.report(events.clone());
        self.report(activity.clone());
        Ok(async {
            tokio::join!(events.close(), activity.close());
        }
        .boxed())
    }

    async fn archive(&self, args: &ArchiveArgs) -> Result<Closing, StartError> {
        archive::meters::describe();
        let archiving = archive::start(args, &self.health, &self.supervisor).await?;
        self.report(archiving.clone());
        Ok(archiving.close().boxed())
    }

    async fn start<C: Catalog>(
        &self,
        source: &SourceArgs,
        store: StoreAddress<'_>,
        connect: impl AsyncFnMut() -> Result<C, StoreFailure>,
    ) -> Result<Closing, StartError> {
        let source = &Source::from(source);
        let running = connected(source, store, connect).await?.start(source, &self.health, &self.supervisor)?;
        self.report(running.clone());
        Ok(running.close().boxed())
    }

    fn report(&self, running: Running) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(running);
    }
}

/// How the projections of this process are doing.
fn projections(reports: Reports) -> Router {
    let report = async move || {
        let running = reports.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Json(join_all(running.iter().map(Running::report)).await.concat())
    };
    Router::new().route("/projections", get(report))
}

/// Starts projections and lets them run until a signal comes.
async fn run(
    args: &ProcessArgs,
    begin: impl AsyncFnOnce(&Process) -> Result<Vec<Closing>, StartError>,
) -> anyhow::Result<()> {
    telemetry::init_logging(&args.telemetry)?;
    let metrics = telemetry::init_metrics()?;
    runner::meters::describe();
    event_log::kafka::describe_metrics();
    let cancel = shutdown::on_signals()?;
    let process =
        Process { health: Health::new(), supervisor: Supervisor::new(cancel.clone()), reports: Reports::default() };
    let Process { health, supervisor, reports } = &process;
    let started = health.gate("start", "the projection is starting");
    let listener = TcpListener::bind(args.admin_addr)
        .await
        .with_context(|| format!("cannot listen on {}; set GROOT_ADMIN_ADDR to a free address", args.admin_addr))?;
    let admin = admin::router(health, metrics.clone()).merge(projections(reports.clone()));
    let mut listener = Some(listener);
    supervisor.spawn("admin server", OnError::Shutdown, OnCancel::Drop, move |cancel| {
        let (listener, admin) = (listener.take(), admin.clone());
        async move {
            if let Some(listener) = listener {
                http::serve(listener, admin, cancel).await;
            }
            Ok::<_, std::convert::Infallible>(())
        }
    });
    supervisor.spawn("metrics", OnError::Restart, OnCancel::Drop, move |cancel| {
        let metrics = metrics.clone();
        async move {
            telemetry::keep_metrics(metrics, cancel).await;
            Ok::<_, std::convert::Infallible>(())
        }
    });
    let Some(running) = cancel.run_until_cancelled(begin(&process)).await else {
        return Ok(());
    };
    let running = running?;
    started.open();
    tracing::info!(admin.address = %args.admin_addr, "projecting");
    cancel.cancelled().await;
    health.stopping();
    let mut stages = Stages::within(BUDGET);
    let finished =
        stages.run("finish batches and hand partitions over", Duration::from_secs(20), supervisor.finished()).await;
    stages.run("close connections", Duration::from_secs(3), join_all(running)).await;
    finished.unwrap_or(Ok(()))?;
    Ok(())
}
