//! The command line.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use event_schema::meta::ActorRef;
use projectors::config::{ClickhouseArgs, ElasticsearchArgs, LogArgs, MongodbArgs};
use service::config;
use uuid::Uuid;

use crate::archive::ArchiveCommand;
use crate::restore::{ForkArgs, RestoreArgs};

/// Looks into Groot's log and after its projections, for operators.
///
/// It takes no part in any consumer group and disturbs nothing that runs. Only `rebuild`, `promote`, `rollback`, `retire`, `repair` and
/// `dead-letters retry` and `drop` change what is projected, `verify` notes what it has found, and `restore` fills topics that are empty;
/// whatever decodes events registers the schemas of this build, as every program does at its start.
///
/// What a person reads goes to standard output, and so does JSON with --json; progress and errors go to standard error.
///
/// Exit codes: 0 it was shown or done; 1 the log cannot be read, or an event of it cannot be decoded; 2 a bad argument or setting;
/// 3 a server did not answer in five tries; 4 there is nothing to show; 5 a check found something.
#[derive(Clone, Debug, Parser)]
#[command(name = "replay-tool", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: ToolCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ToolCommand {
    /// Shows the history of one aggregate: every event of a post, a person, a comment or a like that counts, decoded, in order.
    ///
    /// The partition that the aggregate lives in is read from its beginning, by the same rule as every other reader's:
    /// records of deposed owners and of commits that were cut off are not shown, they never happened.
    ///
    /// The last column says what each event changed of the aggregate's state. Exit code 4: there is no such aggregate in this log.
    Inspect(InspectArgs),
    /// Shows what an aggregate was at some time, or in some version: folded from the log, as JSON. No store is asked.
    ///
    /// A post is shown with the likes and comments that it had then.
    State(StateArgs),
    /// Searches the log: every event that counts and fits, the earliest first.
    ///
    /// The whole log is read, so it takes as long as that takes. Times are those of events, as the API shows them.
    Events(EventsArgs),
    /// Shows how far each projection is in each partition, how fast it comes nearer, and what is parked.
    ///
    /// Positions are read twice, two seconds apart. A store that does not answer is named, and the others are shown: exit code 3.
    Status(StatusArgs),
    /// Compares all that a projection holds with an independent fold of the log, and names each difference.
    ///
    /// It can be run at any time: what changes meanwhile is compared again, up to five times. A partition of the log is folded and read at
    /// a time, into memory. Keys that are parked are left out from the first event that waits. Rows of ClickHouse older than 89 days are not
    /// compared, since they go after 90.
    ///
    /// With --sample some keys alone are compared: a post with its comments, likes, slug and history, or a person; of analytics the rows and
    /// facts of those. It takes the time of reading the log and the memory of the sample. What is stored of keys that no event has
    /// is found by the whole comparison alone, and so is what the hourly statistics count wrongly; `promote` asks for a whole one.
    ///
    /// Exit code 5: something differs, or changed each time it was looked at.
    Verify(VerifyArgs),
    /// Makes a projection anew from the log, as a new version beside the one that readers read, which is not touched.
    ///
    /// It may be stopped at any time, also by kill -9: said again, it goes on where it was. When the new version has come to the end of the
    /// log, running projectors follow the log for it within a second or two; `verify` it then, and `promote` it. Nothing outside the store is
    /// told of anything: mail and the like are never sent by a rebuild.
    Rebuild(RebuildArgs),
    /// Lets readers read another version, at once and as a whole. The one before is kept up with the log, to roll back to.
    ///
    /// It is refused (exit code 5) unless the version was verified, follows the log closely, and has nothing parked that the live one has not.
    Promote(PromoteArgs),
    /// Lets readers read the version again that they read before the last promotion.
    Rollback(RollbackArgs),
    /// Removes a version that is not live, and what is stored of it. It cannot be undone, but by `rebuild`.
    Retire(RetireArgs),
    /// Puts what a projection holds of one aggregate right: of a post with its comments and likes, or of a person.
    ///
    /// All that is stored of it is replaced by what its events lead to, up to where the projection is, while projectors run on. What
    /// analytics counts cannot be put right that way (exit code 5): rebuild it.
    Repair(RepairArgs),
    /// Checks that today's code reads everything that was ever written.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Events that a projection could not project, and those that wait behind them.
    ///
    /// One event that cannot be projected parks all records of its key: a post with its comments and likes, or a person. They wait
    /// in their order until they are retried or dropped; everything else goes on.
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// The archive of the log in object storage, which `projectors archive` keeps.
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Brings the log back from its archive, offset for offset, into topics that are empty or missing.
    ///
    /// Stop everything that writes to them before. Offsets, times and the log's identity are those of the log that was archived, so that
    /// position tokens, checkpoints and snapshots stay true. What was written after the last archived range of a partition is lost.
    /// Run the same again after an interruption: it goes on behind the records that are there, if they are the archive's.
    ///
    /// Exit code 4: there is no archive; 5: the topics hold something else, or the archive is damaged.
    Restore(RestoreArgs),
    /// Makes a log of its own of what had been archived before a time, to try things on real history: under other names, with an id of its own.
    ///
    /// Everything else is as with `restore`. Delete the topics when it is no longer wanted.
    Fork(ForkArgs),
}

#[derive(Clone, Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// Lists the keys that are parked, each with why.
    List {
        /// Print a JSON array rather than a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Shows the first records of a key, decoded where they can be.
    Show {
        /// A key, as `list` gives it.
        key: String,
        /// How many to show.
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Print a JSON array rather than a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Has the records of a key projected in their order. What cannot be, and all behind it, is parked again.
    ///
    /// The projector that has the partition does it within a second or two; `list` shows what came of it.
    Retry {
        /// A key, as `list` gives it.
        key: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Gives the records of a key up, and all that will follow: what the store has of it stays as it is until it is rebuilt.
    ///
    /// The events stay in the log, where `inspect` shows them.
    Drop {
        /// A key, as `list` gives it.
        key: String,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum SchemaCommand {
    /// Decodes the golden corpus, which has every version of every event ever published, and every event in the log.
    ///
    /// Exit code 5: something cannot be decoded; each place is named, to a hundred.
    Check(SchemaCheckArgs),
}

/// Whose dead letters, and where they are.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Which projection parked them.
    #[arg(long, value_enum, default_value_t = ProjectionName::Documents)]
    pub projection: ProjectionName,
    /// In which version; the live one where left out.
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<u32>,
    #[command(flatten)]
    pub stores: StoresArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

/// Where the projections are.
#[derive(Clone, Debug, Args)]
pub struct StoresArgs {
    #[command(flatten)]
    pub mongodb: MongodbArgs,
    #[command(flatten)]
    pub elasticsearch: ElasticsearchArgs,
    #[command(flatten)]
    pub clickhouse: ClickhouseArgs,
}

#[derive(Clone, Debug, Args)]
pub struct LoggingArgs {
    /// Which log lines to write to standard error: a level, or target=level pairs.
    #[arg(long = "log", value_name = "FILTER", default_value = "warn", value_parser = config::not_blank)]
    pub log_filter: String,
}

/// An aggregate and where it stands.
#[derive(Clone, Copy, Debug, Args)]
pub struct AggregateArgs {
    /// The id of a post or a person, or with --under of a comment or a like: a UUID, as the API gives it.
    #[arg(value_name = "AGGREGATE", value_parser = aggregate_id)]
    pub aggregate: Uuid,
    /// The post that the comment or the like is about: it stands in the partition of that.
    #[arg(long, value_name = "POST", value_parser = aggregate_id)]
    pub under: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProjectionName {
    Documents,
    Search,
    Analytics,
}

#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    #[command(flatten)]
    pub of: AggregateArgs,
    /// Print one JSON object with everything, rather than a table.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct StateArgs {
    #[command(flatten)]
    pub of: AggregateArgs,
    /// A version, such as 3, or a time, such as 2026-01-31T09:30:00Z; now where left out.
    #[arg(long, value_name = "VERSION|TIME", value_parser = moment)]
    pub at: Option<Moment>,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

/// Up to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Version(u64),
    Time(DateTime<Utc>),
}

#[derive(Clone, Debug, Args)]
pub struct EventsArgs {
    /// Events of this time or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<DateTime<Utc>>,
    /// Events before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<DateTime<Utc>>,
    /// Events of this type: groot.post.PostPublished, or its end, PostPublished.
    #[arg(long = "type", value_name = "TYPE", value_parser = config::not_blank)]
    pub event_type: Option<String>,
    /// Events that this person brought about, or `system`.
    #[arg(long, value_name = "PERSON|system", value_parser = actor)]
    pub author: Option<ActorRef>,
    /// Events in whose fields, written as JSON, this text stands; upper and lower case are the same.
    #[arg(long, value_name = "TEXT", value_parser = config::not_blank)]
    pub grep: Option<String>,
    /// How many to show.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Print a line of JSON for each, rather than a table.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Print one JSON object rather than a table.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub stores: StoresArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Which projection.
    #[arg(value_enum)]
    pub projection: ProjectionName,
    /// Which version; the live one where left out.
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<u32>,
    /// Compare so many keys alone, drawn at random. It does not count for `promote`.
    #[arg(long, value_name = "KEYS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub sample: Option<u32>,
    /// Draw the keys that a run before has drawn, which has told its seed.
    #[arg(long, value_name = "NUMBER", requires = "sample")]
    pub seed: Option<u32>,
    /// How long the projection may take to come to where the log ends now, before each partition is compared.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = config::duration)]
    pub wait: Duration,
    /// How many differences to show.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Print one JSON object rather than text.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub stores: StoresArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct RebuildArgs {
    /// Which projection.
    #[arg(value_enum)]
    pub projection: ProjectionName,
    /// Stop at what was in the log at this time, by the brokers' clocks; the archive (--archive) knows those whose records were deleted. Such a
    /// version is there to be looked at, and is never promoted.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<DateTime<Utc>>,
    /// Read all that is archived from the archive (--archive), also what the cluster still holds, and the log from where the archive ends on.
    /// It spares a busy cluster, and shows that the archive holds what it should. Exit code 4: there is no archive, or nothing in it.
    #[arg(long)]
    pub from_archive: bool,
    /// How many partitions are filled at the same time.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub parallel: u32,
    /// Take at most so many records of the log a second, so that readers and projectors have the store too. As many as it takes if left out.
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_rate: Option<u32>,
    /// A partition with more parked aggregates than this ends the rebuild.
    #[arg(long, env = "GROOT_PARKED_LIMIT", value_name = "COUNT", default_value_t = 100)]
    pub parked_limit: usize,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print a line of JSON each second rather than text.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub stores: StoresArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct PromoteArgs {
    /// Which projection.
    #[arg(value_enum)]
    pub projection: ProjectionName,
    /// Which version: the newest that follows the log where left out.
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<u32>,
    #[command(flatten)]
    pub switch: SwitchArgs,
}

#[derive(Clone, Debug, Args)]
pub struct RollbackArgs {
    /// Which projection.
    #[arg(value_enum)]
    pub projection: ProjectionName,
    #[command(flatten)]
    pub switch: SwitchArgs,
}

/// How readers are given another version.
#[derive(Clone, Debug, Args)]
pub struct SwitchArgs {
    /// How many records of the log it may be behind, in all partitions together.
    #[arg(long, value_name = "RECORDS", default_value_t = 1_000)]
    pub max_lag: u64,
    /// How long it may take to come as far as the version that is live now has.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = config::duration)]
    pub wait: Duration,
    /// Say whether it would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub stores: StoresArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct RepairArgs {
    /// Which projection.
    #[arg(value_enum)]
    pub projection: ProjectionName,
    /// The id of a post or a person: a UUID, as the API gives it.
    #[arg(long, value_name = "AGGREGATE", value_parser = aggregate_id)]
    pub aggregate: Uuid,
    /// In which version; the live one where left out.
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<u32>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub stores: StoresArgs,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct RetireArgs {
    /// Which projection.
    #[arg(value_enum)]
    pub projection: ProjectionName,
    /// Which version.
    #[arg(long, value_name = "NUMBER")]
    pub version: u32,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub stores: StoresArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Clone, Debug, Args)]
pub struct SchemaCheckArgs {
    /// Check the golden corpus alone, without any server.
    #[arg(long)]
    pub corpus_only: bool,
    /// Print one JSON object rather than a table.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

fn moment(text: &str) -> Result<Moment, String> {
    let version = text.parse().ok().filter(|version| *version > 0).map(Moment::Version);
    version
        .or_else(|| time(text).ok().map(Moment::Time))
        .ok_or_else(|| "a version from 1 on, such as 3, or a time, such as 2026-01-31T09:30:00Z".to_owned())
}

pub fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    time.map_err(|_| "a time in RFC 3339, such as 2026-01-31T09:30:00Z or 2026-01-31T09:30:00+01:00".to_owned())
}

fn actor(text: &str) -> Result<ActorRef, String> {
    text.parse().map_err(|_| "the id of a person, a UUID, or `system`".to_owned())
}

fn aggregate_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "a UUID, such as 0197f0a2-7b1c-7d3e-9a4b-5c6d7e8f9a0b".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_aggregate_is_under_is_named_beside_it() {
        let [comment, post] = [1, 2].map(Uuid::from_u128);
        let arguments = ["replay-tool", "inspect", &comment.to_string(), "--under", &post.to_string()];
        let ToolCommand::Inspect(args) = config::read_from::<Cli>(&arguments).unwrap().command else { panic!() };
        assert_eq!((args.of.aggregate, args.of.under), (comment, Some(post)));
    }

    #[test]
    fn a_moment_is_a_version_or_a_time() {
        assert_eq!(moment("3"), Ok(Moment::Version(3)));
        assert_eq!(moment("1970-01-01T01:00:00+01:00"), Ok(Moment::Time(DateTime::UNIX_EPOCH)));
        for bad in ["0", "-1", "yesterday", "2026-01-31"] {
            assert!(moment(bad).unwrap_err().contains("2026-01-31T09:30:00Z"), "{bad}");
        }
    }

    #[test]
    fn an_id_that_is_no_uuid_is_refused_with_an_example() {
        let error = config::read_from::<Cli>(&["replay-tool", "inspect", "hello"]).unwrap_err();
        assert!(error.0.contains("AGGREGATE") && error.0.contains("UUID"), "{error}");
    }
}
