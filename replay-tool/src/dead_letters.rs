//! What a projection could not project: shown, retried, given up.

use std::process::ExitCode;

use projectors::dead_letter::{DeadLetter, Parked, Standing};
use projectors::runner::decode::any_event;
use projectors::start::schemas;
use serde::Serialize;
use service::startup;

use crate::config::{DeadLettersCommand, StoreArgs};
use crate::history::Content;
use crate::log::init_logging;
use crate::stores::{Opened, Stores};
use crate::table::{fields, table};
use crate::{EXIT_NOTHING, print, to_json};

pub async fn run(command: DeadLettersCommand) -> anyhow::Result<ExitCode> {
    match command {
        DeadLettersCommand::List { json, store } => {
            let parked = open(&store).await?.parked().await?;
            print(&if json { to_json(&parked)? } else { list(&parked) })?;
            Ok(ExitCode::from(startup::EXIT_OK))
        }
        DeadLettersCommand::Show { key, limit, json, store, log } => {
            let letters = open(&store).await?.letters(&key, limit).await?;
            if letters.is_empty() {
                return Ok(nothing(&key));
            }
            let codec = schemas(&log.schema_registry_url, &log.events_topic).await?;
            let mut shown = Vec::new();
            for letter in &letters {
                let decoded = any_event(&codec, &letter.record).await;
                let content = decoded.map_or_else(Content::undecodable, |event| Content::of(&event));
                shown.push(Letter { offset: letter.record.offset, reason: &letter.reason, content });
            }
            print(&if json { to_json(&shown)? } else { show(&letters, &shown) })?;
            Ok(ExitCode::from(startup::EXIT_OK))
        }
        DeadLettersCommand::Retry { key, store } => order(&store, &key, Standing::Retry, "are tried again").await,
        DeadLettersCommand::Drop { key, store } => order(&store, &key, Standing::Drop, "are given up").await,
    }
}

async fn open(args: &StoreArgs) -> anyhow::Result<Opened> {
    init_logging(&args.logging)?;
    // Letters know no log.
    let store = Stores::new(&args.stores, 0, "").of(args.projection).connect().await?;
    Ok(store.open_or_live(args.version).await?.1)
}

async fn order(store: &StoreArgs, key: &str, standing: Standing, what: &str) -> anyhow::Result<ExitCode> {
    if !open(store).await?.order(key, standing).await? {
        return Ok(nothing(key));
    }
    print(&format!(
        "the records of {key} {what} as soon as a projector of their partition looks, which it does each second\n"
    ))?;
    Ok(ExitCode::from(startup::EXIT_OK))
}

fn nothing(key: &str) -> ExitCode {
    eprintln!(
        "error: nothing of {key} waits; see `replay-tool dead-letters list` for what does, and that --projection and \
         the settings of its store name the one that you mean"
    );
    ExitCode::from(EXIT_NOTHING)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Letter<'a> {
    offset: u64,
    reason: &'a str,
    #[serde(flatten)]
    content: Content,
}

fn list(parked: &[Parked]) -> String {
    if parked.is_empty() {
        return "nothing is parked\n".to_owned();
    }
    let rows: Vec<_> = parked
        .iter()
        .map(|parked| {
            let Parked { key, partition, offset, letters, standing, reason } = parked;
            let standing = standing.as_str().to_owned();
            [key.clone(), partition.to_string(), offset.to_string(), letters.to_string(), standing, reason.clone()]
        })
        .collect();
    table(["KEY", "PARTITION", "OFFSET", "EVENTS", "STANDING", "WHY"], &rows)
}

fn show(letters: &[DeadLetter], shown: &[Letter<'_>]) -> String {
    let rows: Vec<_> = letters
        .iter()
        .zip(shown)
        .map(|(letter, shown)| {
            let event = String::from_utf8_lossy(letter.record.headers.get("ce_type").unwrap_or(b"?")).into_owned();
            let data = match &shown.content {
                Content::Event { data, .. } => fields(data),
                Content::Undecodable { error } => format!("cannot be decoded: {error}"),
            };
            [shown.offset.to_string(), event, shown.reason.to_owned(), data]
        })
        .collect();
    table(["OFFSET", "EVENT", "WHY", "DATA"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_what_is_parked_and_why() {
        let parked = Parked {
            key: "k".into(),
            partition: 4,
            offset: 12,
            letters: 3,
            standing: Standing::Waiting,
            reason: "it cannot be read".into(),
        };
        assert_eq!(
            list(&[parked]),
            "KEY  PARTITION  OFFSET  EVENTS  STANDING  WHY\n\
             k    4          12      3       waiting   it cannot be read\n"
        );
        assert_eq!(list(&[]), "nothing is parked\n");
    }
}
