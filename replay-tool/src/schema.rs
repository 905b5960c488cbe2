//! Whether today's code reads everything that was ever written.

use std::collections::BTreeMap;
use std::process::ExitCode;

use event_log::reader::Commit;
use event_schema::codec::Codec;
use event_schema::event::AggregateKind;
use event_schema::meta::EventMeta;
use projectors::runner::decode::any_event;
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::Value;
use service::startup;

use crate::config::SchemaCheckArgs;
use crate::log::{Log, init_logging};
use crate::table::table;
use crate::{EXIT_FOUND, print, to_json};

/// Every version of every event ever published: `<Event>/v<N>.avro`, and beside it what it says as JSON.
#[derive(RustEmbed)]
#[folder = "../event-schema/golden"]
struct Golden;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    golden_pairs: u64,
    /// Events in the log that were decoded, by type and the first digits of the fingerprint of the schema they were written with.
    events: BTreeMap<String, u64>,
    /// Of aggregates that this build has never heard of: passed over, as projections do.
    foreign: u64,
    failed: u64,
    /// To a hundred of them.
    failures: Vec<String>,
}

const MOST_FAILURES: usize = 100;

pub async fn check(args: SchemaCheckArgs) -> anyhow::Result<ExitCode> {
    init_logging(&args.logging)?;
    let mut report = Report::default();
    check_corpus(&mut report);
    if !args.corpus_only {
        let log = Log::open(&args.log).await?;
        log.scan(0..log.partitions(), async |partition, commit: Commit| {
            for record in &commit.records {
                let meta = EventMeta::from_headers(|name| record.headers.get(name));
                if let Ok((meta, _)) = &meta
                    && AggregateKind::of_event_type(&meta.event_type).is_none()
                {
                    report.foreign += 1;
                    continue;
                }
                match any_event(&log.codec, record).await {
                    Ok(event) => {
                        let written = meta.map(|(_, fp)| fp.to_string()).unwrap_or_default();
                        let short: String = written.chars().take(12).collect();
                        *report.events.entry(format!("{} {short}", event.meta.event_type)).or_default() += 1;
                    }
                    Err(error) => report.failed(format!("partition {partition}, offset {}: {error}", record.offset)),
                }
            }
            Ok(())
        })
        .await?;
        log.close().await;
    }
    print(&if args.json { to_json(&report)? } else { render(&report) })?;
    Ok(ExitCode::from(if report.failed == 0 { startup::EXIT_OK } else { EXIT_FOUND }))
}

impl Report {
    fn failed(&mut self, why: String) {
        self.failed += 1;
        if self.failures.len() < MOST_FAILURES {
            self.failures.push(why);
        }
    }
}

/// What was said then must be said now, in all fields that are still there.
fn check_corpus(report: &mut Report) {
    let codec = Codec::offline();
    for name in Golden::iter().filter(|name| name.ends_with(".avro")) {
        report.golden_pairs += 1;
        if let Err(why) = check_pair(&codec, &name) {
            report.failed(format!("golden/{name}: {why}"));
        }
    }
}

fn check_pair(codec: &Codec, name: &str) -> Result<(), String> {
    let file = |name: &str| Golden::get(name).map(|file| file.data).ok_or_else(|| format!("{name} is missing"));
    let datum = file(name)?;
    let said = file(&name.replace(".avro", ".json"))?;
    compare(codec, &datum, &serde_json::from_slice(&said).map_err(|error| error.to_string())?)
}

fn compare(codec: &Codec, datum: &[u8], said: &Value) -> Result<(), String> {
    let schema_fp = said["schemaFp"].as_str().unwrap_or_default();
    let schema_fp = schema_fp.parse().map_err(|_| format!("{schema_fp:?} is no fingerprint"))?;
    let decoded = codec.decode_datum(schema_fp, datum).map_err(|error| error.to_string())?.to_json();
    let fields = said["event"].as_object().ok_or("it does not say what the event was")?;
    for (field, value) in fields.iter().filter(|(field, _)| decoded.get(field.as_str()).is_some()) {
        if decoded[field] != *value {
            return Err(format!("{field} was {value} and is {}", decoded[field]));
        }
    }
    Ok(())
}

fn render(report: &Report) -> String {
    let Report { golden_pairs, events, foreign, failed, failures } = report;
    let mut text = format!("{golden_pairs} golden pairs\n");
    if !events.is_empty() {
        let rows: Vec<_> = events
            .iter()
            .map(|(name, count)| {
                let (event, schema) = name.split_once(' ').unwrap_or((name, ""));
                [event.to_owned(), schema.to_owned(), count.to_string()]
            })
            .collect();
        text.push('\n');
        text.push_str(&table(["EVENT", "SCHEMA", "DECODED"], &rows));
        text.push('\n');
    }
    if *foreign > 0 {
        text.push_str(&format!("{foreign} events of aggregates that this build does not know\n"));
    }
    for failure in failures {
        text.push_str(&format!("cannot be decoded: {failure}\n"));
    }
    text.push_str(&match failed {
        0 => "everything is decoded\n".to_owned(),
        failed => format!("{failed} could not be decoded\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_corpus_is_decoded_and_a_pair_that_says_something_else_is_named() {
        let mut report = Report::default();
        check_corpus(&mut report);
        assert_eq!((report.failed, report.failures.as_slice()), (0, [].as_slice()));
        assert!(report.golden_pairs >= 17, "{}", report.golden_pairs);
        assert_eq!(
            check_pair(&Codec::offline(), "PostCreated/v99.avro"),
            Err("PostCreated/v99.avro is missing".into())
        );
    }
}
