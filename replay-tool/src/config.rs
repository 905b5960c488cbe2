//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use projectors::config::{ClickhouseArgs, ElasticsearchArgs, LogArgs, MongodbArgs};
use service::config;
use uuid::Uuid;

/// Looks into Groot's log and after its projections, for operators.
///
/// It takes no part in any consumer group and disturbs nothing that runs. Only `dead-letters retry` and `drop` change what is
/// projected; whatever decodes events registers the schemas of this build, as every program does at its start.
///
/// Exit codes: 0 it was shown or done; 1 the log cannot be read, or an event of it cannot be decoded; 2 a bad argument or setting;
/// 3 a server did not answer in five tries; 4 there is nothing to show.
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
    Inspect(InspectArgs),
    /// Events that a projection could not project, and those that wait behind them.
    ///
    /// One event that cannot be projected parks all records of its key: a post with its comments and likes, or a person. They wait
    /// in their order until they are retried or dropped; everything else goes on.
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
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

/// Whose dead letters, and where they are.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Which projection parked them.
    #[arg(long, value_enum, default_value_t = ProjectionName::Documents)]
    pub projection: ProjectionName,
    #[command(flatten)]
    pub mongodb: MongodbArgs,
    #[command(flatten)]
    pub elasticsearch: ElasticsearchArgs,
    #[command(flatten)]
    pub clickhouse: ClickhouseArgs,
    /// Which log lines to write to standard error: a level, or target=level pairs.
    #[arg(long = "log", value_name = "FILTER", default_value = "warn", value_parser = config::not_blank)]
    pub log_filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProjectionName {
    Documents,
    Search,
    Analytics,
}

#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// The id of a post or a person, or with --under of a comment or a like: a UUID, as the API gives it.
    #[arg(value_name = "AGGREGATE", value_parser = aggregate_id)]
    pub aggregate: Uuid,
    /// The post that the comment or the like is about: it stands in the partition of that.
    #[arg(long, value_name = "POST", value_parser = aggregate_id)]
    pub under: Option<Uuid>,
    /// Print one JSON object with everything, rather than a table.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub log: LogArgs,
    /// Which log lines to write to standard error: a level, or target=level pairs.
    #[arg(long = "log", value_name = "FILTER", default_value = "warn", value_parser = config::not_blank)]
    pub log_filter: String,
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
        assert_eq!((args.aggregate, args.under), (comment, Some(post)));
    }

    #[test]
    fn an_id_that_is_no_uuid_is_refused_with_an_example() {
        let error = config::read_from::<Cli>(&["replay-tool", "inspect", "hello"]).unwrap_err();
        assert!(error.0.contains("AGGREGATE") && error.0.contains("UUID"), "{error}");
    }
}
