//! Which version of a projection readers read.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
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
    if let Some(why) = lacks(&log, &live, &new, args).await? {
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
    let deadline = Instant::now() + args.wait;
    let mut behind_live = 0;
    for partition in 0..log.partitions() {
        // What readers were shown already they are shown on.
        let wanted = live.position(partition).await?;
        while let position @ 0.. = new.position(partition).await?
            && position < wanted
        {
            if Instant::now() >= deadline {
                behind_live += wanted - position;
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
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

pub async fn retire(args: RetireArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let version = args.version;
    // Removing knows no log.
    let connected: Connected<'_> = Stores::new(&args.stores, 0, "").of(args.projection).connect().await?;
    let name = connected.name();
    if let Err(refusal) = connected.versions().await?.retire(version) {
        return Ok(refused(name, &refusal.to_string()));
    }
    if args.dry_run {
        print(&format!("version {version} of {name} would be removed; nothing was done\n"))?;
        return Ok(ExitCode::from(startup::EXIT_OK));
    }
    connected.change(|versions| Ok(versions.retire(version)?)).await?;
    tokio::time::sleep(PROJECTORS_KNOW_WITHIN).await;
    if connected.versions().await?.live == version {
        bail!("version {version} is live");
    }
    connected.remove(version).await?;
    print(&format!("version {version} of {name} is removed\n"))?;
    Ok(ExitCode::from(startup::EXIT_OK))
}
