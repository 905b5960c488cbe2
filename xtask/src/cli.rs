//! The commands as a person types them.

use clap::{Parser, Subcommand};
use uuid::Uuid;

use crate::token::Role;

#[derive(Debug, Parser)]
#[command(
    name = "./dev",
    bin_name = "./dev",
    about = "Runs, checks and looks into Groot on this machine",
    after_help = "Start with `./dev up`. It brings the servers, builds Groot, starts it and loads a sample corpus;\n\
                  `./dev status` shows what runs, `./dev logs command-api -f` follows one part, `./dev down` ends it all.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Ask nothing: install what is missing
    #[arg(long, short, global = true)]
    pub yes: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the servers and Groot, and load the sample corpus; what runs already is left alone
    #[command(after_help = "Downloads go to ~/.cache/groot (or GROOT_CACHE), data and logs to .groot/dev.\n\
                            With a container engine at hand the servers run in containers, else as plain processes.")]
    Up {
        /// Start the servers only, neither Groot nor the corpus
        #[arg(long)]
        servers_only: bool,
        /// Run the servers as plain processes even where a container engine answers
        #[arg(long)]
        native: bool,
    },
    /// Stop Groot and the servers
    Down {
        /// Remove their data, logs and addresses as well
        #[arg(long)]
        wipe: bool,
    },
    /// Show what runs, where, and whether it answers
    Status,
    /// Print the log of one part, or the last lines of all
    #[command(after_help = "Parts: kafka, registry, mongodb, elasticsearch, clickhouse, redis,\n\
                            command-api, projectors, archiver, query-api.")]
    Logs {
        /// The part, for example command-api
        part: Option<String>,
        /// Go on printing what comes
        #[arg(long, short)]
        follow: bool,
    },
    /// Ask the operators' tool about the local stack: `./dev replay status`
    #[command(
        disable_help_flag = true,
        after_help = "`./dev replay --help` lists what it can be asked; it ends with the tool's own exit code."
    )]
    Replay {
        /// A command of replay-tool and its options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        tool: Vec<String>,
    },
    /// Run the whole test suite on servers of its own
    #[command(
        after_help = "What follows `--` goes to cargo test: `./dev test -- -p event-log claim`. There run as many tests at a time \
                      as there are cores and one more, if RUST_TEST_THREADS does not say otherwise."
    )]
    Test {
        #[arg(last = true)]
        cargo: Vec<String>,
    },
    /// Measure Groot beside its floors, on servers of its own: `./dev bench write`
    #[command(
        disable_help_flag = true,
        after_help = "`./dev bench --help` lists the benches, `./dev bench write --help` tells more of one."
    )]
    Bench {
        /// The bench and its options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        bench: Vec<String>,
    },
    /// Take owners and brokers of a cluster away in a random order while clients write, and check what they were told
    #[command(
        after_help = "Three brokers and three command-api are killed (-9), stopped (SIGSTOP), cut off and slowed, beside\n\
                            a projector. The same seed gives the same faults at the same times. The report, the schedule and\n\
                            every request with its answer are left in .groot/faults/<seed>."
    )]
    Faults {
        /// How long, in minutes
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        /// Repeat the faults of an earlier run; a new seed when absent
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Take each rule of `tests/mutations` out of a copy of the last commit, and want the tests that hold it to fail
    #[command(after_help = "By hand, now and then: it takes minutes for each. Nothing else may build meanwhile.")]
    Mutations {
        /// Which; all when absent
        names: Vec<String>,
    },
    /// Check format, clippy, dependencies, spelling, shell scripts, compose and the map
    Lint,
    /// Say what this machine lacks, and check the downloads against their pinned digests
    Doctor,
    /// Print a bearer token for the local stack, valid for a day
    #[command(after_help = "Try: curl -H \"Authorization: Bearer $(./dev token --role author)\" ...")]
    Token {
        /// What the person may do
        #[arg(long, value_enum)]
        role: Role,
        /// The person's id; a new one when absent
        #[arg(long)]
        user: Option<Uuid>,
        /// The person's name, as shown beside posts
        #[arg(long)]
        name: Option<String>,
    },
    /// Pin the downloads of infra/versions.env anew in infra/local/digests.txt
    #[command(hide = true)]
    Digests,
}
