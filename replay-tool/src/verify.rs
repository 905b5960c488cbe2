//! What a projection holds, beside an independent fold of the log: all of it, or a sample.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use chrono::{TimeDelta, Utc};
use event_log::kafka::partition_for;
use event_log::reader::Commit;
use projectors::analytics::fold as analytics;
use projectors::documents::fold as documents;
use projectors::event::LoggedEvent;
use projectors::runner::decode;
use projectors::verdict::{Difference, Keys, Only, Verdict};
use read_model::analytics::rows::Millis;
use serde::Serialize;
use service::startup;
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::VerifyArgs;
use crate::log::{Log, bar, init_logging};
use crate::sample::{Drawn, Sample};
use crate::stores::{Opened, Stores};
use crate::{EXIT_FOUND, print, to_json};

/// How often what changes meanwhile is looked at again.
const PASSES: usize = 5;
/// Rows of ClickHouse go after 90 days.
const KEPT: TimeDelta = TimeDelta::days(89);
/// How often statistics are compared with rows that may have come between the two.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    projection: &'static str,
    version: u32,
    /// None where all was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<Drawn>,
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
    /// All keys where there is none.
    sample: Option<&'a Sample>,
    /// It shows a time in the past, and is compared with what was in the log then.
    stands: bool,
    parked: Parked,
    wait: Duration,
    since: Millis,
}

pub async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let log = Log::open(&args.log).await?;
    let store = Stores::new(&args.stores, log.identity.log_id, &args.log.activity_topic).of(args.projection);
    let connected = store.connect().await?;
    let (version, opened) = connected.open_or_live(args.version).await?;
    let versions = connected.versions().await?;
    if versions.is_filling(version) {
        let name = store.name();
        eprintln!(
            "error: version {version} of {name} is being filled; go on with that by `replay-tool rebuild {name}`, and verify it then"
        );
        return Ok(ExitCode::from(EXIT_FOUND));
    }
    let stands = versions.standing.iter().any(|standing| standing.version == version);
    let since = Millis::from(Utc::now() - KEPT);
    let sample = match args.sample {
        Some(keys) => Some(Sample::draw(&log, args.projection, keys, args.seed.unwrap_or_else(rand::random)).await?),
        None => None,
    };
    let mut total = Verdict::default();
    let mut parked_keys = 0;
    for number in 0..PASSES {
        let parked: Parked = opened.parked().await?.into_iter().map(|parked| (parked.key, parked.offset)).collect();
        parked_keys = parked.len();
        let check =
            Check { log: &log, store: &opened, sample: sample.as_ref(), stands, parked, wait: args.wait, since };
        // What differs is looked at once more before it is told: the store is read piece by piece while others write to it.
        let suspects = (number > 0).then(|| suspects(&total));
        let verdict = check.pass(suspects.as_ref()).await?;
        total = Verdict { compared: total.compared.max(verdict.compared), ..verdict };
        if suspects_are_settled(number, &total) {
            break;
        }
    }
    if sample.is_none() {
        total.differences.extend(statistics(&opened, since).await?);
    }
    log.close().await;
    let is_good = total.differences.is_empty() && total.newer.is_empty();
    // A sample in which nothing differs says nothing of the rest; one in which something does says enough.
    if sample.is_none() || !is_good {
        connected.change(|versions| Ok(versions.compared(version, is_good, Utc::now()))).await?;
    }
    let shown = &total.differences[..total.differences.len().min(args.limit as usize)];
    let report = Report {
        projection: store.name(),
        version,
        sample: sample.map(|sample| sample.drawn),
        compared: total.compared,
        differences: shown,
        differing: total.differences.len(),
        changing: total.newer.len(),
        parked_keys,
    };
    print(&if args.json { to_json(&report)? } else { render(&report) })?;
    Ok(ExitCode::from(if is_good { startup::EXIT_OK } else { EXIT_FOUND }))
}

fn suspects(verdict: &Verdict) -> BTreeSet<String> {
    let differing = verdict.differences.iter().map(|difference| difference.name.clone());
    verdict.newer.iter().cloned().chain(differing).collect()
}

/// Nothing is left that another pass could tell more about.
fn suspects_are_settled(number: usize, verdict: &Verdict) -> bool {
    verdict.newer.is_empty() && (number > 0 || verdict.differences.is_empty())
}

/// Rows were compared with the log; statistics are with rows, which come a moment before them. So what differs each time counts.
async fn statistics(store: &Opened, since: Millis) -> anyhow::Result<Vec<Difference>> {
    let Opened::Analytics(store) = store else { return Ok(Vec::new()) };
    let mut hours = store.hours_that_differ(since).await?;
    for _ in 1..LOOKS {
        if hours.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        let again = store.hours_that_differ(since).await?;
        hours.retain(|hour| again.contains(hour));
    }
    let differs =
        |hour| Difference { name: format!("hour {hour}"), what: "is counted differently from its rows".to_owned() };
    Ok(hours.into_iter().map(differs).collect())
}

impl Check<'_> {
    /// Folds and compares one partition after another.
    async fn pass(&self, only: Only<'_>) -> anyhow::Result<Verdict> {
        let (ends, partitions) = (self.ends().await?, self.log.partitions());
        let progress = bar(ends.iter().sum());
        let mut verdict = Verdict::default();
        let mut facts = analytics::Analytics::default();
        let mut come_to = Vec::new();
        for (partition, end) in (0..).zip(ends) {
            let keys = self.sample.map(|sample| sample.of_partition(partition, partitions));
            let keys: Keys<'_> = keys.as_ref();
            if keys.is_some_and(BTreeSet::is_empty) {
                progress.inc(end);
                come_to.push(end);
                continue;
            }
            let mut folded = documents::Documents::default();
            let mut counted = analytics::Analytics::default();
            let mut unread = Vec::new();
            let end = self
                .log
                .walk(partition, end, &progress, async |commit| {
                    for event in self.events(partition, commit, &mut unread).await {
                        match self.store {
                            Opened::Documents(_) | Opened::Search(_) => documents::apply(&mut folded, &event),
                            Opened::Analytics(_) | Opened::Activity(_) => analytics::apply(&mut counted, &event),
                        }
                    }
                    Ok(())
                })
                .await?;
            documents::count(&mut folded);
            verdict.differences.extend(unread);
            self.comes_to(partition, end).await?;
            verdict.add(match self.store {
                Opened::Documents(store) => store.verify((partition, partitions), keys, &folded, end, only).await?,
                Opened::Search(store) => store.verify(partition, keys, &folded.posts, end, only).await?,
                Opened::Analytics(store) | Opened::Activity(store) => {
                    store.verify_events(partition, keys, &counted, end, self.since, only).await?
                }
            });
            facts.posts.extend(counted.posts);
            facts.authors.extend(counted.authors);
            facts.responses.extend(counted.responses);
            come_to.push(end);
        }
        progress.finish_and_clear();
        if let Opened::Analytics(store) = self.store {
            let end_of = |root: Uuid| {
                let partition = partition_for(root.to_string().as_bytes(), partitions);
                come_to.get(partition as usize).copied().unwrap_or_default()
            };
            verdict.add(store.verify_facts(self.sample.map(Sample::keys), &facts, end_of, only).await?);
        }
        Ok(verdict)
    }

    /// Up to where the log is folded.
    async fn ends(&self) -> anyhow::Result<Vec<u64>> {
        let ends = self.log.ends().await?;
        if !self.stands {
            return Ok(ends);
        }
        let mut stands_at = Vec::with_capacity(ends.len());
        for (partition, end) in (0..).zip(ends) {
            stands_at.push(self.store.position(partition).await?.min(end));
        }
        Ok(stands_at)
    }

    /// What is projected of a commit. An event that cannot be read and is not parked is a difference by itself.
    async fn events(&self, partition: u32, commit: Commit, unread: &mut Vec<Difference>) -> Vec<LoggedEvent> {
        let mut events = Vec::new();
        for record in &commit.records {
            let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            if self.sample.is_some_and(|sample| !sample.has(&key)) {
                continue;
            }
            if self.parked.get(key.as_ref()).is_some_and(|first| record.offset >= *first) {
                continue;
            }
            match decode::event(&self.log.codec, record).await {
                Ok(event) => events.extend(event),
                Err(error) => unread.push(Difference {
                    name: format!("record {partition}:{}", record.offset),
                    what: format!("cannot be decoded and is not parked: {}", error.source),
                }),
            }
        }
        events
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
}

fn render(report: &Report<'_>) -> String {
    let Report { projection, version, sample, compared, differences, differing, changing, parked_keys } = report;
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
    let found = match differing {
        0 => "all as the log says".to_owned(),
        differing => format!("{differing} differ from the log"),
    };
    text.push_str(&match sample {
        None => format!("{projection}, version {version}: {compared} compared, {found}\n"),
        Some(Drawn { keys, of, seed }) => format!(
            "{projection}, version {version}: {compared} compared, a sample of {keys} of {of} keys (the same again: --seed {seed}), {found}\n\
             what is stored of keys that no event has is not looked for, and the sample does not count for promote\n"
        ),
    });
    text
}
