use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use projectors::config::{Cli, DocumentsArgs, ProjectionCommand};
use projectors::{Settings, runner, start};
use service::health::Health;
use service::shutdown::{self, BUDGET, Stages};
use service::supervise::{OnCancel, OnError, Supervisor};
use service::{admin, config, http, startup, telemetry};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    let cli: Cli = config::read();
    let result = match cli.projection {
        ProjectionCommand::Documents(args) => documents(args).await,
    };
    match result {
        Ok(()) => ExitCode::from(startup::EXIT_OK),
        Err(error) => startup::exit_code(error.as_ref()),
    }
}

async fn documents(args: DocumentsArgs) -> anyhow::Result<()> {
    telemetry::init_logging(&args.process.telemetry)?;
    let metrics = telemetry::init_metrics()?;
    runner::meters::describe();
    event_log::kafka::describe_metrics();
    let cancel = shutdown::on_signals()?;
    let supervisor = Supervisor::new(cancel.clone());
    let health = Health::new();
    let started = health.gate("start", "the projection is starting");
    let listener = TcpListener::bind(args.process.admin_addr).await.with_context(|| {
        format!("cannot listen on {}; set GROOT_ADMIN_ADDR to a free address", args.process.admin_addr)
    })?;
    let admin = admin::router(&health, metrics.clone());
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
    let settings = Settings::from(&args);
    let Some(running) = cancel.run_until_cancelled(start(&settings, &health, &supervisor)).await else {
        return Ok(());
    };
    let running = running?;
    started.open();
    tracing::info!(admin.address = %args.process.admin_addr, "documents projection started");
    cancel.cancelled().await;
    health.stopping();
    let mut stages = Stages::within(BUDGET);
    let finished =
        stages.run("finish batches and hand partitions over", Duration::from_secs(20), supervisor.finished()).await;
    stages.run("close connections", Duration::from_secs(3), running.close()).await;
    finished.unwrap_or(Ok(()))?;
    Ok(())
}
