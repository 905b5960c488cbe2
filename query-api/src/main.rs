//! Groot's read side over HTTP.

use std::process::ExitCode;

use query_api::config::Config;
use query_api::startup;
use service::supervise::{OnCancel, OnError, Supervisor};
use service::{config, shutdown, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    match run(config::read()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => service::startup::exit_code(error.as_ref()),
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::init_logging(&config.telemetry)?;
    let metrics = telemetry::init_metrics()?;
    let cancel = shutdown::on_signals()?;
    // A signal during the tries to connect ends the process without waiting for the rest of them.
    let Some(app) = cancel.run_until_cancelled(startup::build(&config, Some(metrics.clone()))).await else {
        return Ok(());
    };
    let app = app?;
    tracing::info!(http.addr = %app.http_addr()?, admin.addr = %app.admin_addr()?, "query-api serves");
    let upkeep = Supervisor::new(cancel.clone());
    upkeep.spawn("metrics-upkeep", OnError::Restart, OnCancel::Finish, move |cancel| {
        let metrics = metrics.clone();
        async move {
            telemetry::keep_metrics(metrics, cancel).await;
            Ok::<_, std::convert::Infallible>(())
        }
    });
    app.run(cancel.clone()).await?;
    cancel.cancel();
    upkeep.finished().await?;
    Ok(())
}
