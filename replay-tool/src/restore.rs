//! The log, brought back from its archive.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;
use event_log::kafka::{KafkaConfig, Look, PartitionLook, Restore, RestoreError, Wanted, answers};
use projectors::config::LogArgs;
use serde::Serialize;
use service::config;
use service::problem::chain;
use service::startup::{self, connect_with_retries};

use crate::archive::{no_archive, open, time};
use crate::config::LoggingArgs;
use crate::log::{bar, init_logging};
use crate::table::table;
use crate::{EXIT_FOUND, print, to_json};

#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The Kafka brokers of the cluster that gets the log. Topics are named by the settings of the log.
    #[arg(long, value_name = "HOST:PORT,...", value_parser = config::host_port_list)]
    pub to: String,
    /// Look at both, compare what is there already, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Copies of each partition, where the topics have to be made.
    #[arg(long, env = "GROOT_REPLICATION_FACTOR", value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=32))]
    pub replication_factor: i32,
    /// Copies that must have a record before it is acknowledged, where the topics have to be made.
    #[arg(long, env = "GROOT_MIN_INSYNC_REPLICAS", value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=32))]
    pub min_insync_replicas: i32,
    /// Print one JSON object rather than text.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct ForkArgs {
    /// What had been appended before this time, by the brokers' clocks.
    #[arg(long, value_name = "TIME", value_parser = crate::config::time)]
    pub until: DateTime<Utc>,
    /// What the topics of the fork are called: <NAME>.events, <NAME>.owners, <NAME>.log and <NAME>.activity.
    #[arg(long, value_name = "NAME", value_parser = config::not_blank)]
    pub name: String,
    #[command(flatten)]
    pub restore: RestoreArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    log_id: String,
    topic: &'a str,
    dry_run: bool,
    /// Written now.
    restored: u64,
    /// There already, and the same.
    held: u64,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Partition {
    partition: u32,
    archived_to: u64,
    /// When the last record that the archive has was written: what came later is lost.
    last_time: Option<String>,
    held_to: u64,
}

/// Restores what had been appended before a time into topics of other names.
pub async fn fork(args: ForkArgs) -> anyhow::Result<ExitCode> {
    let ForkArgs { until, name, mut restore } = args;
    let topics =
        ["EVENTS", "OWNERS", "LOG", "ACTIVITY"].map(|topic| (topic, format!("{name}.{}", topic.to_lowercase())));
    let [(_, events), (_, owners), (_, log), (_, activity)] = topics.clone();
    restore.log =
        LogArgs { events_topic: events, owners_topic: owners, log_topic: log, activity_topic: activity, ..restore.log };
    let (dry_run, json, brokers) = (restore.dry_run, restore.json, restore.to.clone());
    let code = bring_back(restore, Wanted::Fork { until: until.timestamp_millis() }).await?;
    if code == ExitCode::from(startup::EXIT_OK) && !dry_run && !json {
        print(
            "it is a log of its own: run programs on it with these settings, and with stores, state and object storage of its own\n",
        )?;
        print(&format!("  GROOT_KAFKA_BROKERS={brokers}\n"))?;
        for (topic, called) in topics {
            print(&format!("  GROOT_{topic}_TOPIC={called}\n"))?;
        }
        let (database, tables) = (&name, name.replace(['-', '.'], "_"));
        print(&format!(
            "  GROOT_GROUP_PREFIX={name}\n  GROOT_MONGODB_DATABASE={database}\n  GROOT_ELASTICSEARCH_PREFIX={name}\n  \
             GROOT_CLICKHOUSE_DATABASE={tables}\n  GROOT_STATE_DIR=.groot/{name}/state\n  GROOT_OBJECT_STORE=.groot/{name}/objects\n"
        ))?;
    }
    Ok(code)
}

pub async fn run(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    bring_back(args, Wanted::All).await
}

async fn bring_back(args: RestoreArgs, part: Wanted) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let (archive, identity) = open(&args.log).await?;
    if identity.is_none() {
        return Ok(no_archive(&archive));
    }
    let kafka = KafkaConfig {
        brokers: args.to.clone(),
        replication_factor: args.replication_factor,
        min_insync_replicas: args.min_insync_replicas,
        ..args.log.kafka("groot-replay-tool")
    };
    connect_with_retries("Kafka", &args.to, || answers(&kafka)).await?;
    let restored = async {
        let restore = Restore::prepare(&kafka, archive, part).await?;
        let look = restore.look().clone();
        let of = |count: fn(&PartitionLook) -> u64| look.partitions.iter().map(count).sum::<u64>();
        let (held, missing) = (of(|look| look.held_to), of(|look| look.archived_to - look.held_to));
        // What is missing is written and compared.
        let progress = bar(held + if args.dry_run { 0 } else { 2 * missing });
        restore.compare_held(|| progress.inc(1)).await?;
        let restored = if args.dry_run { 0 } else { restore.run(|| progress.inc(1)).await?.records };
        progress.finish_and_clear();
        Ok::<_, RestoreError>((look, held, restored))
    };
    let (look, held, restored) = match restored.await {
        Ok(restored) => restored,
        Err(error) if is_found(&error) => {
            eprintln!("error: {}", chain(&error));
            return Ok(ExitCode::from(EXIT_FOUND));
        }
        Err(error) => return Err(error.into()),
    };
    let report = Report {
        log_id: look.identity.log_id_text(),
        topic: &kafka.events_topic,
        dry_run: args.dry_run,
        restored,
        held,
        partitions: partitions(&look),
    };
    print(&if args.json { to_json(&report)? } else { render(&report) })?;
    Ok(ExitCode::from(startup::EXIT_OK))
}

/// Whether the archive or the topic are to blame, and not a server.
fn is_found(error: &RestoreError) -> bool {
    match error {
        RestoreError::Refused(_) | RestoreError::Differs { .. } | RestoreError::Misplaced { .. } => true,
        RestoreError::Archive(error) => !error.is_retryable(),
        RestoreError::Kafka(error) => !error.is_retryable(),
        RestoreError::NotWritten { .. }
        | RestoreError::Unsettled { .. }
        | RestoreError::Lost { .. }
        | RestoreError::Unreadable => false,
    }
}

fn partitions(look: &Look) -> Vec<Partition> {
    let of = |(partition, look): (u32, &PartitionLook)| Partition {
        partition,
        archived_to: look.archived_to,
        last_time: look.last_timestamp.map(time),
        held_to: look.held_to,
    };
    (0..).zip(&look.partitions).map(of).collect()
}

fn render(report: &Report<'_>) -> String {
    let Report { log_id, topic, dry_run, restored, held, partitions } = report;
    let rows: Vec<_> = partitions
        .iter()
        .map(|of| {
            let last = of.last_time.clone().unwrap_or_else(|| "-".to_owned());
            [of.partition.to_string(), of.archived_to.to_string(), of.held_to.to_string(), last]
        })
        .collect();
    let mut text = table(["PARTITION", "ARCHIVED TO", "THERE TO", "LAST RECORD OF"], &rows);
    let archived: u64 = partitions.iter().map(|partition| partition.archived_to).sum();
    text.push('\n');
    text.push_str(&match (dry_run, restored) {
        (true, _) => format!(
            "log {log_id}: {held} records are in topic {topic} already and are the archive's; {} would be written. Nothing was changed\n",
            archived - held
        ),
        (false, 0) => format!("log {log_id}: all {held} records are in topic {topic} already, and the log can be used\n"),
        (false, restored) => {
            format!("log {log_id}: {restored} records were written to topic {topic}, {held} were there; all of them were compared\n")
        }
    });
    text.push_str(
        "what was written to a partition after its last record here is not in the archive: if the log is gone, so is that, and whatever remembers \
         it halts\n",
    );
    text
}
