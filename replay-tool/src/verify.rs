//! What a projection holds, beside an independent fold of the log.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use chrono::{TimeDelta, Utc};
use event_log::kafka::partition_for;
use event_log::reader::Commit;
use event_schema::event::AggregateKind;
use event_schema::meta::EventMeta;
use projectors::analytics::fold as analytics;
use projectors::documents::fold as documents;
use projectors::event::LoggedEvent;
use projectors::verdict::{Difference, Only, Verdict};
use read_model::analytics::rows::Millis;
use serde::Serialize;
use service::startup;
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::VerifyArgs;
use crate::history::decode;
use crate::log::{Log, bar, init_logging};
use crate::stores::{Opened, Stores};
use crate::{EXIT_FOUND, print, to_json};

/// How often what changes meanwhile is looked at again.
const PASSES: usize = 5;
/// Rows of ClickHouse go after 90 days.
const KEPT: TimeDelta = TimeDelta::days(89);
/// How often statistics are compared with rows that may have come between the two.
const LOOKS: usize = 3;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    projection: &'static str,
    /// Documents or rows.
    compared: u64,
    /// To as many as were asked for.
    differences: &'a [Difference],
    differing: usize,
    /// What changed each time it was looked at, and is not compared.
    changing: usize,
    parked_keys: usize,
}

/// Where what is parked of a key begins.
type Parked = BTreeMap<String, u64>;

struct Check<'a> {
    log: &'a Log,
    store: &'a Opened,
    parked: &'a Parked,
    wait: Duration,
    since: Millis,
}

pub async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let log = Log::open(&args.log).await?;
    let store = Stores::new(&args.stores, log.identity.log_id).of(args.projection);
    let opened = store.open().await?;
    let parked: Parked = opened.parked().await?.into_iter().map(|parked| (parked.key, parked.offset)).collect();
    let since = Millis::from(Utc::now() - KEPT);
    let check = Check { log: &log, store: &opened, parked: &parked, wait: args.wait, since };
    let mut total = check.pass(None).await?;
    for _ in 1..PASSES {
        if total.newer.is_empty() {
            break;
        }
        let newer = std::mem::take(&mut total.newer);
        total.add(check.pass(Some(&newer)).await?);
    }
    total.differences.extend(check.statistics().await?);
    log.close().await;
    let shown = &total.differences[..total.differences.len().min(args.limit as usize)];
    let report = Report {
        projection: store.name(),
        compared: total.compared,
        differences: shown,
        differing: total.differences.len(),
        changing: total.newer.len(),
        parked_keys: parked.len(),
    };
    print(&if args.json { to_json(&report)? } else { render(&report) })?;
    let is_good = report.differing == 0 && report.changing == 0;
    Ok(ExitCode::from(if is_good { startup::EXIT_OK } else { EXIT_FOUND }))
}

impl Check<'_> {
    /// Folds and compares one partition after another.
    async fn pass(&self, only: Only<'_>) -> anyhow::Result<Verdict> {
        let ends = self.log.ends().await?;
        let progress = bar(ends.iter().sum());
        let mut verdict = Verdict::default();
        let mut facts = analytics::Analytics::default();
        let mut come_to = Vec::new();
        for (partition, end) in (0..).zip(ends) {
            let mut folded = documents::Documents::default();
            let mut counted = analytics::Analytics::default();
            let end = self
                .log
                .walk(partition, end, &progress, async |commit| {
                    for event in self.events(partition, commit).await? {
                        match self.store {
                            Opened::Documents(_) | Opened::Search(_) => documents::apply(&mut folded, &event),
                            Opened::Analytics(_) | Opened::Activity(_) => analytics::apply(&mut counted, &event),
                        }
                    }
                    Ok(())
                })
                .await?;
            documents::count(&mut folded);
            self.comes_to(partition, end).await?;
            verdict.add(match self.store {
                Opened::Documents(store) => store.verify(partition, &folded, end, only).await?,
                Opened::Search(store) => store.verify(partition, &folded.posts, end, only).await?,
                Opened::Analytics(store) | Opened::Activity(store) => {
                    store.verify_events(partition, &counted, end, self.since, only).await?
                }
            });
            facts.posts.extend(counted.posts);
            facts.authors.extend(counted.authors);
            facts.responses.extend(counted.responses);
            come_to.push(end);
        }
        progress.finish_and_clear();
        if let Opened::Analytics(store) = self.store {
            let partitions = self.log.partitions();
            let end_of = |root: Uuid| {
                let partition = partition_for(root.to_string().as_bytes(), partitions);
                come_to.get(partition as usize).copied().unwrap_or_default()
            };
            verdict.add(store.verify_facts(&facts, end_of, only).await?);
        }
        Ok(verdict)
    }

    /// What is projected of a commit.
    async fn events(&self, partition: u32, commit: Commit) -> anyhow::Result<Vec<LoggedEvent>> {
        let mut events = Vec::new();
        for record in &commit.records {
            let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            if self.parked.get(key.as_ref()).is_some_and(|first| record.offset >= *first) {
                continue;
            }
            let meta = EventMeta::from_headers(|name| record.headers.get(name));
            if meta.is_ok_and(|(meta, _)| AggregateKind::of_event_type(&meta.event_type).is_none()) {
                continue;
            }
            match decode(&self.log.codec, record).await {
                Ok(event) => events.push(event),
                Err(error) => bail!(
                    "the event at offset {} of partition {partition} cannot be decoded and is not parked: {error}",
                    record.offset
                ),
            }
        }
        Ok(events)
    }

    /// Waits until the projection has come to an offset.
    async fn comes_to(&self, partition: u32, end: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.wait;
        loop {
            let position = self.store.position(partition).await?;
            if position >= end {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "the projection is at {position} in partition {partition} and has not come to {end} within {} s; see \
                     `replay-tool status`, start its projectors, or allow for more by --wait",
                    self.wait.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Rows were compared with the log; statistics are with rows.
    async fn statistics(&self) -> anyhow::Result<Option<Difference>> {
        let Opened::Analytics(store) = self.store else { return Ok(None) };
        let mut hours = 0;
        for _ in 0..LOOKS {
            hours = store.hours_that_differ(self.since).await?;
            if hours == 0 {
                return Ok(None);
            }
        }
        let what = format!("count {hours} hours differently from the rows");
        Ok(Some(Difference { name: "hourly statistics".to_owned(), what }))
    }
}

fn render(report: &Report<'_>) -> String {
    let Report { projection, compared, differences, differing, changing, parked_keys } = report;
    let mut text = String::new();
    for difference in *differences {
        text.push_str(&format!("{difference}\n"));
    }
    if *differing > differences.len() {
        text.push_str(&format!("{} more differ; raise --limit to see them\n", differing - differences.len()));
    }
    if *changing > 0 {
        text.push_str(&format!("{changing} changed each time they were looked at and are not compared\n"));
    }
    if *parked_keys > 0 {
        text.push_str(&format!("{parked_keys} keys are parked: what waits of them is left out\n"));
    }
    text.push_str(&match differing {
        0 => format!("{projection}: {compared} compared, all as the log says\n"),
        differing => format!("{projection}: {compared} compared, {differing} differ from the log\n"),
    });
    text
}
