//! The operators' command line: looks into the log, and after what projections could not project.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod config;
mod dead_letters;
mod history;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use event_log::kafka::{KafkaLog, identify};
use event_schema::codec::{Codec, RegistryConfig};
use serde::Serialize;
use service::startup::{self, connect_with_retries};
use service::telemetry::{self, LogFormat, TelemetryArgs};

use crate::config::{Cli, InspectArgs, ToolCommand};

/// There is nothing to show.
const EXIT_NOTHING: u8 = 4;

#[tokio::main]
async fn main() -> ExitCode {
    let cli: Cli = service::config::read();
    let result = match cli.command {
        ToolCommand::Inspect(args) => inspect(args).await,
        ToolCommand::DeadLetters(command) => dead_letters::run(command).await,
    };
    result.unwrap_or_else(|error| startup::exit_code(error.as_ref()))
}

async fn inspect(args: InspectArgs) -> anyhow::Result<ExitCode> {
    telemetry::init_logging(&TelemetryArgs { log: args.log_filter, log_format: LogFormat::Text })?;
    let kafka = args.log.kafka("groot-replay-tool");
    let registry = RegistryConfig { url: args.log.schema_registry_url.clone(), topic: kafka.events_topic.clone() };
    let (_, codec) = tokio::try_join!(
        connect_with_retries("Kafka", &kafka.brokers, || identify(&kafka)),
        connect_with_retries("the schema registry", &registry.url, || Codec::connect(registry.clone())),
    )?;
    let log = KafkaLog::connect(&kafka)?;
    let history = history::read(&log, &codec, args.aggregate, args.under).await?;
    log.close().await;
    if history.events.is_empty() {
        eprintln!(
            "error: no event of {} is in the log; check the id (a comment or a like needs --under <post>), and that \
             GROOT_KAFKA_BROKERS and GROOT_EVENTS_TOPIC name the log that it is in",
            args.aggregate
        );
        return Ok(ExitCode::from(EXIT_NOTHING));
    }
    let text = if args.json { to_json(&history)? } else { table::render(&history) };
    print(&text)?;
    Ok(ExitCode::from(if history.is_decoded() { startup::EXIT_OK } else { startup::EXIT_FAILURE }))
}

fn to_json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// A reader that has seen enough, such as `head`, is no error.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
