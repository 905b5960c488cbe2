//! Putting right what a projection holds of one aggregate.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use event_log::kafka::partition_for;
use event_log::position::Position;
use projectors::dead_letter::Standing;
use projectors::documents::fold::{self, Documents};
use projectors::projection::StoreFailure;
use projectors::runner::decode;
use service::startup;
use uuid::Uuid;

use crate::config::RepairArgs;
use crate::log::{Log, bar, init_logging};
use crate::stores::{Opened, Stores};
use crate::{EXIT_FOUND, EXIT_NOTHING, print};

/// How often it is tried while projectors write the same partition, and until Elasticsearch has forgotten that a post was deleted, which takes a
/// minute.
const TRIES: usize = 45;
const PAUSE: Duration = Duration::from_secs(2);

pub async fn run(args: RepairArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let log = Log::open(&args.log).await?;
    let store = Stores::new(&args.stores, log.identity.log_id, &args.log.activity_topic).of(args.projection);
    let connected = store.connect().await?;
    let (version, opened) = connected.open_or_live(args.version).await?;
    let (name, key) = (connected.name(), args.aggregate);
    if let Opened::Analytics(_) | Opened::Activity(_) = opened {
        eprintln!(
            "error: {name} adds up what it counts, and cannot be put right an aggregate at a time; run `replay-tool rebuild {name}`"
        );
        return Ok(ExitCode::from(EXIT_FOUND));
    }
    if let Some(parked) = opened.parked().await?.into_iter().find(|parked| parked.key == key.to_string()) {
        let offset = parked.offset;
        if parked.standing == Standing::Dropped {
            eprintln!(
                "error: {key} was given up from offset {offset} on: {}; only a rebuild brings it back, run `replay-tool rebuild {name}`",
                parked.reason
            );
        } else {
            eprintln!(
                "error: events of {key} wait from offset {offset} on: {}; run `replay-tool dead-letters retry {key} \
                 --projection {name} --version {version}`",
                parked.reason
            );
        }
        return Ok(ExitCode::from(EXIT_FOUND));
    }
    let partition = partition_for(key.to_string().as_bytes(), log.partitions());
    let mut fold = Fold { log: &log, partition, key, position: Position::START, folded: Documents::default() };
    let mut why = "the projection goes on all the time".to_owned();
    for number in 0..TRIES {
        if number > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let expected = fold.up_to(opened.position(partition).await?).await?;
        let mut is_known = !expected.posts.is_empty() || !expected.people.is_empty();
        if args.dry_run {
            let what = if is_known { "replaced by what its events lead to" } else { "removed: no event leads to it" };
            print(&format!("what version {version} of {name} holds of {key} would be {what}; nothing was done\n"))?;
            return Ok(ExitCode::from(if is_known { startup::EXIT_OK } else { EXIT_NOTHING }));
        }
        let repaired = match &opened {
            Opened::Documents(store) => {
                let saved = store.load(partition).await?;
                if saved.position.next_offset != fold.position.next_offset {
                    why = format!(
                        "the log was read to {}, and the projection was at {} then",
                        fold.position.next_offset, saved.position.next_offset
                    );
                    continue;
                }
                store.repair(partition, key, expected, saved).await.map(drop)
            }
            Opened::Search(store) => match store.repair(key, expected.posts.get(&key)).await {
                Ok(()) => {
                    // Whoever projects may have read what is now replaced, and be about to write it with an event more.
                    tokio::time::sleep(PAUSE).await;
                    let again = fold.up_to(opened.position(partition).await?).await?;
                    is_known = !again.posts.is_empty() || !again.people.is_empty();
                    match store.is_right(key, again.posts.get(&key)).await {
                        Ok(true) => Ok(()),
                        Ok(false) => Err(StoreFailure::Superseded),
                        Err(failure) => Err(failure),
                    }
                }
                failed => failed,
            },
            Opened::Analytics(_) | Opened::Activity(_) => Ok(()),
        };
        match repaired {
            Ok(()) => {
                log.close().await;
                let (what, code) = if is_known {
                    ("is what its events lead to", startup::EXIT_OK)
                } else {
                    (
                        "is nothing: no event has this id (a comment is put right with its post, by the id of that)",
                        EXIT_NOTHING,
                    )
                };
                print(&format!("what version {version} of {name} holds of {key} {what}\n"))?;
                return Ok(ExitCode::from(code));
            }
            Err(failure @ (StoreFailure::Superseded | StoreFailure::Unavailable(_))) => why = failure.to_string(),
            Err(failure) => return Err(failure.into()),
        }
    }
    bail!(
        "{key} was not put right, after {TRIES} tries, the last of which failed since {why}; run it again when there is less to do, or stop \
         the projectors for a moment"
    )
}

/// What a key's events lead to, further and further.
struct Fold<'a> {
    log: &'a Log,
    partition: u32,
    key: Uuid,
    position: Position,
    folded: Documents,
}

impl Fold<'_> {
    /// The documents up to an offset that a reader has come to.
    async fn up_to(&mut self, end: u64) -> anyhow::Result<Documents> {
        let progress = bar(end.saturating_sub(self.position.next_offset));
        let (key, folded) = (self.key.to_string(), &mut self.folded);
        let codec = &self.log.codec;
        let walked = self.log.walk_from(self.partition, self.position, end, &progress, async |commit| {
            for record in commit.records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes())) {
                if let Some(event) = decode::event(codec, record).await? {
                    fold::apply(folded, &event);
                }
            }
            Ok(())
        });
        self.position = walked.await?;
        progress.finish_and_clear();
        let mut counted = self.folded.clone();
        fold::count(&mut counted);
        Ok(counted)
    }
}
