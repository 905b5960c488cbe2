//! Which version of a projection readers read.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use projectors::projection::StoreFailure;
use read_model::Versions;
use read_model::versions::Refusal;
use service::startup;
use tokio::time::Instant;

use crate::config::{ProjectionName, PromoteArgs, RetireArgs, RollbackArgs, SwitchArgs};
use crate::log::{Log, init_logging};
use crate::stores::{Connected, Opened, Stores};
use crate::{EXIT_FOUND, print};

/// For so long a reader may still read a version that he was told is live.
const READERS_KNOW_WITHIN: Duration = Duration::from_secs(2);
/// For so long a projector may still follow a version that it was told to follow, and finish what it writes.
const PROJECTORS_KNOW_WITHIN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

pub async fn promote(args: PromoteArgs) -> anyhow::Result<ExitCode> {
    let version = args.version;
    let choose = move |versions: &Versions| {
        let newest = versions.followed.iter().copied().max().unwrap_or(versions.live);
        versions.promote(version.unwrap_or(newest))
    };
    switch(args.projection, &args.switch, "promoted", choose).await
}

pub async fn roll_back(args: RollbackArgs) -> anyhow::Result<ExitCode> {
    switch(args.projection, &args.switch, "rolled back to", Versions::roll_back).await
}

/// Gives readers another version, if that is as far as the one that they read.
async fn switch(
    projection: ProjectionName,
    args: &SwitchArgs,
    done: &str,
    choose: impl Fn(&Versions) -> Result<Versions, Refusal>,
) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let log = Log::open(&args.log).await?;
    let stores = Stores::new(&args.stores, log.identity.log_id, &args.log.activity_topic);
    let connected = stores.of(projection).connect().await?;
    let name = connected.name();
    let before = connected.versions().await?;
    let next = match choose(&before) {
        Ok(next) => next,
        Err(refusal) => return Ok(refused(name, &refusal.to_string())),
    };
    let version = next.live;
    let (live, new) = (connected.open(before.live), connected.open(version));
    let topic = &args.log.activity_topic;
    let why = match lacks(&log, &live, &new, args).await? {
        None => lacks_activity(&log, live.activity(topic), new.activity(topic), args).await?,
        why => why,
    };
    if let Some(why) = why {
        return Ok(refused(name, &format!("version {version} {why}")));
    }
    if args.dry_run {
        print(&format!("version {version} of {name} would be {done}; nothing was done\n"))?;
        return Ok(ExitCode::from(startup::EXIT_OK));
    }
    // Whoever has changed something meanwhile may have changed what was looked at.
    let unchanged = |versions: &Versions| {
        ensure!(
            *versions == before,
            "somebody else has changed the versions meanwhile; look at `status` and say it again"
        );
        Ok(next.clone())
    };
    connected.change(unchanged).await?;
    log.close().await;
    print(&format!(
        "{done} version {version} of {name}: all readers read it within {} s\n\
         version {} is kept up with the log; replay-tool rollback {name} goes back to it, replay-tool retire {name} --version {} removes it\n",
        READERS_KNOW_WITHIN.as_secs(),
        before.live,
        before.live
    ))?;
    Ok(ExitCode::from(startup::EXIT_OK))
}

fn refused(name: &str, why: &str) -> ExitCode {
    eprintln!("error: {name} stays as it is: {why}");
    ExitCode::from(EXIT_FOUND)
}

/// Why readers cannot be given the new version in the place of the live one.
async fn lacks(log: &Log, live: &Opened, new: &Opened, args: &SwitchArgs) -> anyhow::Result<Option<String>> {
    // What readers were shown already they are shown on, but for what is in no log any more.
    let behind_live = behind(live, new, &log.ends().await?, args.wait).await?;
    if behind_live > 0 {
        let seconds = args.wait.as_secs();
        return Ok(Some(format!(
            "is {behind_live} records behind the live one after {seconds} s; start its projectors, or allow for more by --wait"
        )));
    }
    let mut lag = 0;
    for (partition, end) in (0..).zip(log.ends().await?) {
        lag += end.saturating_sub(new.position(partition).await?);
    }
    if lag > args.max_lag {
        return Ok(Some(format!("is {lag} records behind the log; wait, or allow for more by --max-lag")));
    }
    let parked = async |opened: &Opened| {
        let keys = opened.parked().await?.into_iter().map(|parked| parked.key);
        anyhow::Ok(keys.collect::<BTreeSet<_>>())
    };
    let (known, parked) = (parked(live).await?, parked(new).await?);
    Ok(parked.difference(&known).next().map(|key| {
        format!("has parked {key}, which the live one has not; see `replay-tool dead-letters list --version`")
    }))
}

/// The same for activity, whose topic gives up what is old.
async fn lacks_activity(
    log: &Log,
    live: Option<Opened>,
    new: Option<Opened>,
    args: &SwitchArgs,
) -> anyhow::Result<Option<String>> {
    let (Some(live), Some(new)) = (live, new) else { return Ok(None) };
    let no_ends = vec![u64::MAX; log.partitions() as usize];
    let behind = behind(&live, &new, &no_ends, args.wait).await?;
    let seconds = args.wait.as_secs();
    Ok((behind > 0).then(|| {
        format!(
            "has {behind} records of activity less than the live one after {seconds} s; start its projectors, or allow for more by --wait"
        )
    }))
}

/// How many records the one version is behind the other one when it has had so long to come up. A version that cannot say where it is is
/// waited for by nobody: it may be why there is another one.
async fn behind(live: &Opened, new: &Opened, ends: &[u64], wait: Duration) -> anyhow::Result<u64> {
    let deadline = Instant::now() + wait;
    let mut behind = 0;
    for (partition, end) in (0..).zip(ends) {
        let wanted = match live.position(partition).await {
            Err(StoreFailure::Halt(why) | StoreFailure::Lost(why)) => {
                eprintln!("warning: how far the live version is in partition {partition} is not known: {why}");
                0
            }
            position => position?.min(*end),
        };
        while let position @ 0.. = new.position(partition).await?
            && position < wanted
        {
            if Instant::now() >= deadline {
                behind += wanted - position;
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(behind)
}

pub async fn retire(args: RetireArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let version = args.version;
    // Removing knows no log.
    let connected: Connected<'_> = Stores::new(&args.stores, 0, "").of(args.projection).connect().await?;
    let name = connected.name();
    let versions = connected.versions().await?;
    // Whoever was stopped before the removal says it again.
    let is_retired = versions.was_retired(version);
    if let (false, Err(refusal)) = (is_retired, versions.retire(version)) {
        return Ok(refused(name, &refusal.to_string()));
    }
    if args.dry_run {
        print(&format!("version {version} of {name} would be removed; nothing was done\n"))?;
        return Ok(ExitCode::from(startup::EXIT_OK));
    }
    if !is_retired {
        connected.change(|versions| Ok(versions.retire(version)?)).await?;
    }
    tokio::time::sleep(PROJECTORS_KNOW_WITHIN).await;
    if connected.versions().await?.live == version {
        bail!("version {version} is live");
    }
    connected.remove(version).await?;
    print(&format!("version {version} of {name} is removed\n"))?;
    Ok(ExitCode::from(startup::EXIT_OK))
}
