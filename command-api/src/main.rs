use std::process::ExitCode;

use anyhow::Context;
use command_api::Config;
use service::shutdown::on_signals;
use service::telemetry::{init_logging, init_metrics};

fn main() -> ExitCode {
    let config = service::config::read::<Config>();
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => service::startup::exit_code(error.as_ref()),
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    init_logging(&config.telemetry)?;
    let metrics = init_metrics()?;
    event_log::kafka::describe_metrics();
    event_log::state::describe_state_metrics();
    command_api::meters::describe_metrics();
    command_api::partition::meters::describe_metrics();
    command_api::slug_process::describe_metrics();
    let signal = on_signals().context("cannot listen for signals")?;
    let running = tokio::select! {
        running = command_api::start(config, metrics) => running?,
        () = signal.cancelled() => return Ok(()),
    };
    tokio::select! {
        () = signal.cancelled() => {}
        () = running.failed() => {}
    }
    Ok(running.stop().await?)
}
