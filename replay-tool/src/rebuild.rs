//! A new version of a projection, filled beside the one that readers read.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream;
use indicatif::ProgressBar;
use projectors::activity::copy::copy;
use projectors::catalog::Catalog;
use projectors::fill::Fill;
use serde::Serialize;
use service::startup;
use tokio::time::{Instant, interval};

use crate::archive::{archived_ends, must_be_named};
use crate::config::RebuildArgs;
use crate::log::{Log, bar, init_logging};
use crate::stores::{AnyCatalog, Connected, Opened, Stores};
use crate::{EXIT_NOTHING, print};

/// So few records may be missing when projectors take the new version over.
const LEFT_TO_PROJECTORS: u64 = 1_000;
/// How often what was written meanwhile is caught up with, before it is left to projectors all the same.
const PASSES: usize = 10;
/// How often a program is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    projection: &'a str,
    version: u32,
    /// filling, filled, or would-fill for a dry run.
    state: &'a str,
    records: u64,
    of_records: u64,
    /// So many of these are read from the archive, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    of_archived: Option<u64>,
    records_per_second: f64,
    seconds_left: Option<f64>,
}

pub async fn run(args: RebuildArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let log = if args.from_archive {
        must_be_named(&args.log, "--from-archive")?;
        Log::open_archive_first(&args.log).await?
    } else {
        Log::open(&args.log).await?
    };
    let stores = Stores::new(&args.stores, log.identity.log_id, &args.log.activity_topic);
    let connected = stores.of(args.projection).connect().await?;
    let ends = ends(&log, args.until).await?;
    let mut archived = None;
    if args.from_archive {
        let Some(to) = archived_ends(&args.log, &log).await? else { return Ok(ExitCode::from(EXIT_NOTHING)) };
        archived = Some(to.iter().zip(&ends).map(|(to, end)| to.min(end)).sum());
    }
    if args.dry_run {
        return would_fill(&connected, &args, &ends, archived).await;
    }
    let rebuild = Rebuild { args: &args, log: &log, archived, connected: &connected };
    // What says which versions there are stands where the live one is: an empty store lacks both.
    connected.prepare(connected.versions().await?.live).await?;
    let version = rebuild.begin().await?;
    connected.prepare(version).await?;
    match &connected.catalog {
        AnyCatalog::Documents(catalog) => rebuild.fill(catalog, version, ends).await?,
        AnyCatalog::Search(catalog) => rebuild.fill(catalog, version, ends).await?,
        AnyCatalog::Analytics(catalog) => {
            rebuild.copy_activity(version).await?;
            rebuild.fill(catalog, version, ends).await?;
        }
    }
    rebuild.end(version).await?;
    log.close().await;
    Ok(ExitCode::from(startup::EXIT_OK))
}

/// Where each partition ends: now, or where what was appended at a time or later begins.
async fn ends(log: &Log, until: Option<DateTime<Utc>>) -> anyhow::Result<Vec<u64>> {
    match until {
        None => log.ends().await,
        Some(until) => log.offsets_at(until).await,
    }
}

async fn would_fill(
    connected: &Connected<'_>,
    args: &RebuildArgs,
    ends: &[u64],
    of_archived: Option<u64>,
) -> anyhow::Result<ExitCode> {
    let (_, version) = connected.versions().await?.fill(Utc::now(), args.until)?;
    let of_records = ends.iter().sum();
    let projection = connected.name();
    if args.json {
        let state = "would-fill";
        tell(&Line {
            projection,
            version,
            state,
            records: 0,
            of_records,
            of_archived,
            records_per_second: 0.0,
            seconds_left: None,
        })?;
    } else {
        print(&format!(
            "version {version} of {projection} would be filled with {of_records} records of the log{}; nothing was done\n",
            from_archive(of_archived)
        ))?;
    }
    Ok(ExitCode::from(startup::EXIT_OK))
}

fn from_archive(records: Option<u64>) -> String {
    records.map_or_else(String::new, |records| format!(", {records} of them from the archive"))
}

struct Rebuild<'a> {
    args: &'a RebuildArgs,
    log: &'a Log,
    /// So many records come from the archive.
    archived: Option<u64>,
    connected: &'a Connected<'a>,
}

impl Rebuild<'_> {
    /// A new version, or the one that was begun.
    async fn begin(&self) -> anyhow::Result<u32> {
        let (now, until) = (Utc::now(), self.args.until);
        let versions = self.connected.change(|versions| Ok(versions.fill(now, until)?.0)).await?;
        let filling = versions.filling.ok_or_else(|| anyhow!("the version that was begun is gone: it was retired"))?;
        if filling.since < now {
            eprintln!("going on with version {}, begun {}", filling.version, filling.since.format("%F %T UTC"));
        }
        Ok(filling.version)
    }

    async fn fill<C: Catalog>(&self, catalog: &C, version: u32, mut ends: Vec<u64>) -> anyhow::Result<()> {
        let projection = catalog.projection(version, self.log.identity.log_id);
        let RebuildArgs { max_rate, parked_limit, parallel, .. } = self.args;
        let fill = Fill::new(projection, self.log.kafka(), &self.log.codec, *max_rate, *parked_limit);
        let progress = bar(ends.iter().sum());
        let began = Instant::now();
        let telling = self.keep_telling(version, &progress, began);
        let filling = async {
            let mut passes = 0;
            let mut from = vec![0; ends.len()];
            loop {
                let partitions = (0..).zip(ends.clone()).zip(from.clone()).map(|((partition, end), from)| {
                    let (fill, progress) = (&fill, &progress);
                    let mut first = true;
                    async move {
                        // What an earlier pass has done is not told again.
                        let told = move |records: u64| {
                            let known = if std::mem::take(&mut first) { from } else { 0 };
                            progress.inc(records.saturating_sub(known));
                        };
                        fill.partition(partition, end, told)
                            .await
                            .map_err(|why| format!("partition {partition}: {why}"))
                    }
                });
                let mut filled = stream::iter(partitions).buffer_unordered(*parallel as usize);
                while let Some(outcome) = filled.next().await {
                    outcome.map_err(|why| anyhow!("{why}"))?;
                }
                passes += 1;
                if self.args.until.is_some() || passes == PASSES {
                    return Ok(());
                }
                // Somebody else may have filled it to its end meanwhile, and readers read it.
                self.must_be_filling(version).await?;
                let now = self.log.ends().await?;
                let left: u64 = now.iter().zip(&ends).map(|(now, before)| now.saturating_sub(*before)).sum();
                if left <= LEFT_TO_PROJECTORS {
                    return Ok(());
                }
                progress.inc_length(left);
                from = std::mem::replace(&mut ends, now);
            }
        };
        let outcome: anyhow::Result<()> = tokio::select! {
            outcome = filling => outcome,
            told = telling => told,
        };
        fill.settled().await;
        outcome?;
        progress.finish_and_clear();
        if self.args.json {
            tell(&self.line(version, "filled", &progress, began))?;
        } else {
            let (records, seconds) = (progress.position(), began.elapsed().as_secs_f64());
            let (rate, archived) = (records as f64 / seconds, from_archive(self.archived));
            print(&format!("{records} records{archived} in {seconds:.1} s, {rate:.0} a second\n"))?;
        }
        Ok(())
    }

    async fn must_be_filling(&self, version: u32) -> anyhow::Result<()> {
        if !self.connected.versions().await?.is_filling(version) {
            return Err(given_up(version));
        }
        Ok(())
    }

    /// Activity expires in its topic, so that what there is of it comes from the version that readers read.
    async fn copy_activity(&self, version: u32) -> anyhow::Result<()> {
        let live = self.connected.versions().await?.live;
        let topic = &self.args.log.activity_topic;
        let of = |version| match self.connected.open(version) {
            Opened::Analytics(store) => Ok(store.of_activity(topic)),
            _ => bail!("only analytics has activity"),
        };
        let (from, to) = (of(live)?, of(version)?);
        let mut rows = 0;
        for partition in 0..self.log.partitions() {
            rows += copy(&from, &to, partition).await?;
        }
        to.settled().await;
        if !self.args.json {
            print(&format!("{rows} rows of activity copied from version {live}\n"))?;
        }
        Ok(())
    }

    async fn end(&self, version: u32) -> anyhow::Result<()> {
        self.connected
            .change(|versions| match versions.is_filling(version) {
                true => Ok(versions.filled()),
                false => bail!("the version was retired while it was filled"),
            })
            .await?;
        if self.args.json {
            return Ok(());
        }
        let name = self.connected.name();
        print(&match self.args.until {
            None => format!(
                "version {version} of {name} is filled; projectors follow the log for it from now on\n\
                 next: replay-tool verify {name} --version {version}, then replay-tool promote {name} --version {version}\n"
            ),
            Some(until) => format!(
                "version {version} of {name} shows the log as it was at {}; look at it, then replay-tool retire {name} --version {version}\n",
                until.format("%F %T UTC")
            ),
        })?;
        Ok(())
    }

    /// Tells a program how far it is, until the version is given up.
    async fn keep_telling(&self, version: u32, progress: &ProgressBar, began: Instant) -> anyhow::Result<()> {
        let mut ticks = interval(TOLD_EVERY);
        loop {
            ticks.tick().await;
            // What is removed beside us must not be filled anew. A store that is away says nothing of that.
            if let Ok(versions) = self.connected.versions().await
                && !versions.is_filling(version)
            {
                return Err(given_up(version));
            }
            if self.args.json {
                tell(&self.line(version, "filling", progress, began))?;
            }
        }
    }

    fn line<'a>(&'a self, version: u32, state: &'a str, progress: &ProgressBar, began: Instant) -> Line<'a> {
        let (records, of_records) = (progress.position(), progress.length().unwrap_or_default());
        let records_per_second = records as f64 / began.elapsed().as_secs_f64().max(0.001);
        let left = of_records.saturating_sub(records) as f64;
        let seconds_left = (records > 0).then(|| left / records_per_second);
        Line {
            projection: self.connected.name(),
            version,
            state,
            records,
            of_records,
            of_archived: self.archived,
            records_per_second,
            seconds_left,
        }
    }
}

fn given_up(version: u32) -> anyhow::Error {
    anyhow!("version {version} is not being filled any more: another rebuild has ended it, or it was retired")
}

fn tell(line: &Line<'_>) -> anyhow::Result<()> {
    Ok(print(&format!("{}\n", serde_json::to_string(line)?))?)
}
