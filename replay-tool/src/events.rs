//! Searching the log itself.

use std::collections::BTreeMap;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use event_log::reader::Commit;
use event_log::record::LogRecord;
use event_schema::event::AggregateKind;
use event_schema::meta::EventMeta;
use projectors::runner::decode::any_event;
use serde::Serialize;
use service::config::ConfigError;
use service::startup;
use uuid::Uuid;

use crate::config::EventsArgs;
use crate::history::Content;
use crate::log::{Log, init_logging};
use crate::table::{fields, table};
use crate::{EXIT_NOTHING, print};

/// An event that fits.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    partition: u32,
    offset: u64,
    aggregate: Uuid,
    #[serde(flatten)]
    content: Content,
}

/// By time, then by place.
type Order = (DateTime<Utc>, u32, u64);

pub async fn run(args: EventsArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(ConfigError(format!("--from is {from}, which is not before --to, {to}")).into());
    }
    let log = Log::open(&args.log).await?;
    let mut found = BTreeMap::<Order, Found>::new();
    let (mut matched, mut undecodable) = (0_u64, 0_u64);
    log.scan(0..log.partitions(), async |partition, commit: Commit| {
        for record in &commit.records {
            // What cannot be told from its headers may be anything, so it is shown whatever was asked for.
            let meta = EventMeta::from_headers(|name| record.headers.get(name)).ok().map(|(meta, _)| meta);
            if meta.as_ref().is_some_and(|meta| !fits(&args, meta)) {
                continue;
            }
            let (aggregate, time, content) = match any_event(&log.codec, record).await {
                Ok(event) => (event.meta.aggregate_id, event.meta.time, Content::of(&event)),
                Err(cause) => {
                    // One of an aggregate that this build has never heard of is nothing to worry about.
                    let known =
                        meta.as_ref().is_none_or(|meta| AggregateKind::of_event_type(&meta.event_type).is_some());
                    undecodable += u64::from(known);
                    let aggregate = meta.as_ref().map_or(Uuid::nil(), |meta| meta.aggregate_id);
                    let time = meta.as_ref().map_or_else(|| appended(record), |meta| meta.time);
                    (aggregate, time, Content::undecodable(cause))
                }
            };
            if !has_text(&args, &content) {
                continue;
            }
            matched += 1;
            found.insert(
                (time, partition, record.offset),
                Found { partition, offset: record.offset, aggregate, content },
            );
            if found.len() > args.limit as usize {
                found.pop_last();
            }
        }
        Ok(())
    })
    .await?;
    log.close().await;
    if found.is_empty() {
        eprintln!("error: no event fits; leave some of --from, --to, --type, --author and --grep out");
        return Ok(ExitCode::from(EXIT_NOTHING));
    }
    print(&if args.json { lines(found.values())? } else { rows(found.values()) })?;
    let more = matched - found.len() as u64;
    if more > 0 {
        eprintln!("{more} more fit; narrow the search, or raise --limit");
    }
    Ok(ExitCode::from(if undecodable == 0 { startup::EXIT_OK } else { startup::EXIT_FAILURE }))
}

fn fits(args: &EventsArgs, meta: &EventMeta) -> bool {
    let is_type = |wanted: &String| {
        meta.event_type == *wanted || meta.event_type.rsplit_once('.').is_some_and(|(_, last)| last == wanted)
    };
    args.from.is_none_or(|from| meta.time >= from)
        && args.to.is_none_or(|to| meta.time < to)
        && args.event_type.as_ref().is_none_or(is_type)
        && args.author.is_none_or(|author| meta.actor == author)
}

fn has_text(args: &EventsArgs, content: &Content) -> bool {
    let Some(text) = &args.grep else { return true };
    match content {
        Content::Event { data, .. } => data.to_string().to_lowercase().contains(&text.to_lowercase()),
        Content::Undecodable { .. } => true,
    }
}

fn appended(record: &LogRecord) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(record.timestamp).unwrap_or_default()
}

fn lines<'a>(found: impl Iterator<Item = &'a Found>) -> anyhow::Result<String> {
    let mut text = String::new();
    for event in found {
        text.push_str(&serde_json::to_string(event)?);
        text.push('\n');
    }
    Ok(text)
}

fn rows<'a>(found: impl Iterator<Item = &'a Found>) -> String {
    let row = |event: &Found| {
        let Found { partition, offset, aggregate, content } = event;
        let place = format!("{partition}:{offset}");
        match content {
            Content::Event { event_type, time, actor, data, .. } => {
                [time.clone(), place, event_type.clone(), aggregate.to_string(), actor.clone(), fields(data)]
            }
            Content::Undecodable { error } => {
                let none = || "?".to_owned();
                [none(), place, none(), aggregate.to_string(), none(), format!("cannot be decoded: {error}")]
            }
        }
    };
    table(["TIME", "PLACE", "EVENT", "AGGREGATE", "ACTOR", "DATA"], &found.map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Cli, ToolCommand};
    use event_schema::hash::CommandHash;
    use event_schema::meta::ActorRef;
    use serde_json::json;

    fn args(arguments: &[&str]) -> EventsArgs {
        let arguments = [&["replay-tool", "events"], arguments].concat();
        match service::config::read_from::<Cli>(&arguments).unwrap().command {
            ToolCommand::Events(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn meta(time: &str) -> EventMeta {
        let id = Uuid::from_u128(1);
        EventMeta {
            id,
            event_type: "groot.post.PostEdited".to_owned(),
            aggregate_id: id,
            version: 1,
            time: time.parse().unwrap(),
            command_id: id,
            command_hash: CommandHash::of(b"x"),
            actor: ActorRef::Person(id.into()),
            correlation_id: id,
            causation_id: id,
            traceparent: None,
            source: "/test".to_owned(),
        }
    }

    #[test]
    fn from_is_included_and_to_is_not() {
        let noon = meta("2026-01-31T12:00:00Z");
        assert!(fits(&args(&["--from", "2026-01-31T12:00:00Z"]), &noon));
        assert!(!fits(&args(&["--from", "2026-01-31T12:00:00.001Z"]), &noon));
        assert!(!fits(&args(&["--to", "2026-01-31T12:00:00Z"]), &noon));
    }

    #[test]
    fn a_type_is_named_whole_or_by_its_end_and_an_author_by_id() {
        let noon = meta("2026-01-31T12:00:00Z");
        assert!(fits(&args(&["--type", "PostEdited"]), &noon));
        assert!(fits(&args(&["--type", "groot.post.PostEdited"]), &noon));
        assert!(!fits(&args(&["--type", "Edited"]), &noon));
        assert!(fits(&args(&["--author", &Uuid::from_u128(1).to_string()]), &noon));
        assert!(!fits(&args(&["--author", "system"]), &noon));
    }

    #[test]
    fn a_text_is_looked_for_whatever_its_case() {
        let content = Content::Event {
            id: Uuid::nil(),
            version: 1,
            event_type: String::new(),
            time: String::new(),
            actor: String::new(),
            command_id: Uuid::nil(),
            correlation_id: Uuid::nil(),
            data: json!({ "title": "Über Licht" }),
        };
        assert!(has_text(&args(&["--grep", "über"]), &content));
        assert!(!has_text(&args(&["--grep", "shade"]), &content));
    }
}
