//! What an aggregate was.

use std::process::ExitCode;

use event_log::reader::Commit;
use event_schema::event::AggregateKind;
use event_schema::meta::header;
use projectors::documents::fold::expected;
use projectors::event::LoggedEvent;
use projectors::runner::decode::any_event;
use serde_json::json;
use service::startup;

use crate::changes::document;
use crate::config::{Moment, StateArgs};
use crate::history::{nothing_of, partition_of};
use crate::log::{Log, init_logging};
use crate::{EXIT_NOTHING, print, to_json};

pub async fn run(args: StateArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let log = Log::open(&args.log).await?;
    let events = of_the_root(&log, &args).await?;
    log.close().await;
    let aggregate = args.of.aggregate;
    let mut own = events.iter().filter(|event| event.meta.aggregate_id == aggregate);
    let Some(last_of_all) = own.clone().next_back() else { return Ok(nothing_of(aggregate)) };
    let Some(upto) = own.rfind(|event| is_at(args.at, event)) else {
        let first = events.iter().find(|event| event.meta.aggregate_id == aggregate);
        let began = first.map(|event| event.meta.time.to_rfc3339()).unwrap_or_default();
        eprintln!("error: there was no {aggregate} yet: its first event is of {began}");
        return Ok(ExitCode::from(EXIT_NOTHING));
    };
    if let Some(Moment::Version(version)) = args.at
        && version > upto.meta.version
    {
        eprintln!("error: {aggregate} has {} versions, and no version {version}", upto.meta.version);
        return Ok(ExitCode::from(EXIT_NOTHING));
    }
    // A version ends where the next one begins: what happened under the aggregate until then belongs to it.
    let next =
        events.iter().find(|event| event.meta.aggregate_id == aggregate && event.meta.version > upto.meta.version);
    let included = events.iter().filter(|event| match args.at {
        Some(Moment::Time(time)) => event.meta.time <= time,
        Some(Moment::Version(_)) => next.is_none_or(|next| event.offset < next.offset),
        None => true,
    });
    let documents = expected(included);
    let Some((kind, state)) = document(&documents, aggregate) else {
        let kind = AggregateKind::of_event_type(&last_of_all.meta.event_type);
        let kind = kind.map_or("aggregate", AggregateKind::as_str);
        eprintln!("error: a {kind} has no state that is shown; `replay-tool inspect {aggregate}` shows its events");
        return Ok(ExitCode::from(EXIT_NOTHING));
    };
    let shown = json!({
        "aggregate": aggregate,
        "kind": kind,
        "version": upto.meta.version,
        "time": upto.meta.time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "offset": upto.offset,
        "partition": upto.partition,
        "isLatest": upto.meta.version == last_of_all.meta.version,
        "state": state,
    });
    print(&to_json(&shown)?)?;
    Ok(ExitCode::from(startup::EXIT_OK))
}

/// The events of the aggregate, and of all that stands under the same root, in their order.
async fn of_the_root(log: &Log, args: &StateArgs) -> anyhow::Result<Vec<LoggedEvent>> {
    let root = args.of.under.unwrap_or(args.of.aggregate).to_string();
    let partition = partition_of(log, args.of);
    let mut events = Vec::new();
    log.scan(partition..partition + 1, async |_, commit: Commit| {
        for record in commit.records.iter().filter(|record| record.key.as_deref() == Some(root.as_bytes())) {
            let event = any_event(&log.codec, record).await.map_err(|error| {
                let subject =
                    String::from_utf8_lossy(record.headers.get(header::SUBJECT).unwrap_or_default()).into_owned();
                anyhow::anyhow!(
                    "the event at offset {} of partition {partition}, of {subject}, cannot be decoded: {error}",
                    record.offset
                )
            })?;
            events.push(event);
        }
        Ok(())
    })
    .await?;
    Ok(events)
}

fn is_at(at: Option<Moment>, event: &LoggedEvent) -> bool {
    match at {
        None => true,
        Some(Moment::Version(version)) => event.meta.version <= version,
        Some(Moment::Time(time)) => event.meta.time <= time,
    }
}
