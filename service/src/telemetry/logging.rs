//! Log lines: text for people or JSON for machines, chosen by the environment.

use std::io::{IsTerminal, stderr};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// One readable line for each event.
    #[default]
    Text,
    /// One JSON object for each event.
    Json,
}

/// What every binary takes about its log.
#[derive(Debug, Clone, Args)]
pub struct TelemetryArgs {
    /// Which log lines to write, for example `info` or `info,event_log=debug`.
    #[arg(long = "log", env = "GROOT_LOG", default_value = "info", value_name = "FILTER", value_parser = log_filter)]
    pub log: String,
    /// How log lines look.
    #[arg(long = "log-format", env = "GROOT_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("GROOT_LOG is not a log filter; give a level (error, warn, info, debug, trace) or target=level pairs")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("the log was set up already; set it up once for each process")]
    Twice(#[from] TryInitError),
}

/// Sends log lines to standard error from now on.
pub fn init_logging(args: &TelemetryArgs) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&args.log)?;
    let mut lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // In a file colours are noise, and each request pays for them; on a terminal NO_COLOR says.
    if !stderr().is_terminal() {
        lines = lines.with_ansi(false);
    }
    match args.log_format {
        LogFormat::Text => lines.finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    // A panic belongs in the log like any other fault, with its place.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
    Ok(())
}

fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|_| {
        "expected a level (error, warn, info, debug, trace) or target=level pairs with commas between them".to_owned()
    })
}
