//! How far the projections are.

use std::process::ExitCode;
use std::time::Duration;

use event_log::kafka::KafkaLog;
use futures::future::join_all;
use projectors::config::LogArgs;
use read_model::Versions;
use read_model::versions::FIRST;
use serde::Serialize;
use service::startup;
use tokio::time::Instant;

use crate::config::StatusArgs;
use crate::log::{Log, init_logging};
use crate::stores::{Connected, Opened, Store, Stores};
use crate::table::table;
use crate::{print, to_json};

/// Between the two times that positions are read.
const APART: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    projections: Vec<ProjectionStatus>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectionStatus {
    projection: &'static str,
    /// What is known of its versions; null where the store does not answer.
    versions: Option<Versions>,
    /// Which one the rest is about: the one that readers read first, then those that are followed or filled beside it.
    version: u32,
    partitions: Vec<PartitionStatus>,
    parked_keys: usize,
    /// Why nothing else is known.
    error: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PartitionStatus {
    partition: u32,
    position: u64,
    end: u64,
    lag_records: u64,
    records_per_second: f64,
    /// Until there is no lag, if it goes on like this and nothing more is written; null where it does not come nearer.
    seconds_left: Option<f64>,
}

pub async fn run(args: StatusArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let log = Log::open(&args.log).await?;
    let stores = Stores::new(&args.stores, log.identity.log_id, &args.log.activity_topic);
    // All at once: one that hangs takes a minute to be given up.
    let connected = join_all(stores.all().map(async |store| (store, connect(store).await))).await;
    let mut shown = Vec::new();
    for (store, connected) in &connected {
        match connected {
            Ok((connected, versions)) => {
                let beside = versions.all().into_iter().filter(|version| *version != versions.live);
                for version in std::iter::once(versions.live).chain(beside) {
                    shown.push((store.name(), version, Ok((versions, connected.open(version)))));
                }
            }
            Err(error) => shown.push((store.name(), FIRST, Err(error.to_string()))),
        }
    }
    let mut firsts = Vec::new();
    let began = Instant::now();
    for (.., opened) in &shown {
        firsts.push(positions(opened.as_ref().ok().map(|(_, opened)| opened), log.partitions()).await);
    }
    let activity = ends_of_activity(&args.log).await.map_err(|error| error.to_string());
    tokio::time::sleep(APART).await;
    let elapsed = began.elapsed().as_secs_f64();
    let ends = log.ends().await?;
    let mut projections = Vec::new();
    for ((name, version, opened), first) in shown.iter().zip(firsts) {
        let told = async {
            let (versions, opened) = opened.as_ref().map_err(Clone::clone)?;
            let ends = if *name == "activity" { activity.as_ref().map_err(Clone::clone)? } else { &ends };
            let text = |error: anyhow::Error| error.to_string();
            let (first, second) =
                (first.map_err(text)?, positions(Some(opened), log.partitions()).await.map_err(text)?);
            let parked = opened.parked().await.map_err(text)?;
            Ok::<_, String>((Versions::clone(versions), partitions(&first, &second, ends, elapsed), parked.len()))
        };
        projections.push(match told.await {
            Ok((versions, partitions, parked_keys)) => ProjectionStatus {
                projection: name,
                versions: Some(versions),
                version: *version,
                partitions,
                parked_keys,
                error: None,
            },
            Err(error) => unknown(name, *version, error),
        });
    }
    log.close().await;
    let all_known = projections.iter().all(|projection| projection.error.is_none());
    let report = Report { projections };
    print(&if args.json { to_json(&report)? } else { render(&report) })?;
    Ok(ExitCode::from(if all_known { startup::EXIT_OK } else { startup::EXIT_DEPENDENCY }))
}

async fn connect(store: Store<'_>) -> anyhow::Result<(Connected<'_>, Versions)> {
    let connected = store.connect().await?;
    let versions = connected.versions().await?;
    Ok((connected, versions))
}

fn unknown(projection: &'static str, version: u32, error: String) -> ProjectionStatus {
    let (versions, partitions) = (None, Vec::new());
    ProjectionStatus { projection, versions, version, partitions, parked_keys: 0, error: Some(error) }
}

/// What a version is to the others.
fn part(versions: &Versions, version: u32) -> String {
    let verified = versions.verified_at(version).map_or(String::new(), |at| format!(", verified {at:.0?}"));
    let part = if versions.live == version {
        "live"
    } else if versions.is_filling(version) {
        "being filled"
    } else if versions.previous == Some(version) {
        "live before, kept to roll back to"
    } else if versions.followed.contains(&version) {
        "followed, to be promoted"
    } else {
        "of a time in the past"
    };
    format!("{part}{verified}")
}

async fn positions(store: Option<&Opened>, partitions: u32) -> anyhow::Result<Vec<u64>> {
    let mut positions = Vec::new();
    if let Some(store) = store {
        for partition in 0..partitions {
            positions.push(store.position(partition).await?);
        }
    }
    Ok(positions)
}

async fn ends_of_activity(log: &LogArgs) -> anyhow::Result<Vec<u64>> {
    let log = KafkaLog::connect(&log.kafka("groot-replay-tool").of_activity())?;
    let ends = log.end_offsets().await?;
    log.close().await;
    Ok(ends)
}

fn partitions(first: &[u64], second: &[u64], ends: &[u64], elapsed: f64) -> Vec<PartitionStatus> {
    let of = |(partition, ((first, second), end)): (u32, ((&u64, &u64), &u64))| {
        let lag_records = end.saturating_sub(*second);
        let records_per_second = second.saturating_sub(*first) as f64 / elapsed;
        let seconds_left = match lag_records {
            0 => Some(0.0),
            lag => (records_per_second > 0.0).then(|| lag as f64 / records_per_second),
        };
        PartitionStatus { partition, position: *second, end: *end, lag_records, records_per_second, seconds_left }
    };
    (0..).zip(first.iter().zip(second).zip(ends)).map(of).collect()
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    for ProjectionStatus { projection, versions, version, partitions, parked_keys, error } in &report.projections {
        let lag: u64 = partitions.iter().map(|partition| partition.lag_records).sum();
        let records = if lag == 1 { "record" } else { "records" };
        let parked = match parked_keys {
            0 => "nothing is parked".to_owned(),
            1 => "1 key is parked".to_owned(),
            count => format!("{count} keys are parked"),
        };
        match error {
            Some(error) => text.push_str(&format!("{projection}, version {version}: not known, {error}\n\n")),
            None => {
                let part =
                    versions.as_ref().map_or(String::new(), |versions| format!(" ({})", part(versions, *version)));
                text.push_str(&format!("{projection}, version {version}{part}: {lag} {records} behind, {parked}\n"));
                let row = |of: &PartitionStatus| {
                    let left = of.seconds_left.map_or("-".to_owned(), |left| format!("{left:.0} s"));
                    let rate = format!("{:.0}", of.records_per_second);
                    [
                        of.partition.to_string(),
                        of.position.to_string(),
                        of.end.to_string(),
                        of.lag_records.to_string(),
                        rate,
                        left,
                    ]
                };
                let rows: Vec<_> = partitions.iter().map(row).collect();
                text.push_str(&table(["PARTITION", "POSITION", "END", "LAG", "PER SECOND", "LEFT"], &rows));
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_from_the_rate() {
        let told = partitions(&[10, 5, 7], &[30, 5, 9], &[50, 8, 9], 2.0);
        let of = |at: usize| (told[at].lag_records, told[at].records_per_second, told[at].seconds_left);
        assert_eq!(of(0), (20, 10.0, Some(2.0)));
        assert_eq!(of(1), (3, 0.0, None));
        assert_eq!(of(2), (0, 1.0, Some(0.0)));
    }
}
