//! The benches, as `./dev bench` runs them on a release build.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use groot_tests::bench::{
    PARTITIONS, backlog, failover, floor, isolation, likes, load, log, memory, project, read, start, throttle, visible,
    write,
};
use read_model::{ANALYTICS, DOCUMENTS, SEARCH};

#[derive(Debug, Parser)]
#[command(
    name = "./dev bench",
    bin_name = "./dev bench",
    about = "Measures Groot beside its floors, on servers of its own"
)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Commands through HTTP beside a bare handler with one produce
    Write {
        #[command(flatten)]
        load: Load,
        /// Also measure latency at ten loads up to saturation, and draw it
        #[arg(long)]
        curve: bool,
        /// Also measure cqrs-es on PostgreSQL, which must be installed
        #[arg(long)]
        peers: bool,
    },
    /// Each projection beside plain inserts of the same documents into its store
    Project(Projections),
    /// A rebuild of each projection by replay-tool beside plain inserts of the same documents into its store
    Rebuild(Projections),
    /// Latency of reads and commands beside a rebuild of documents with --max-rate
    Throttle {
        #[command(flatten)]
        load: Load,
        /// How many events the log holds at least
        #[arg(long, default_value_t = 200_000)]
        events: u64,
        /// Records a second of the rebuild
        #[arg(long, default_value_t = 500)]
        max_rate: u32,
        /// Reads a second; there are a fifth as many commands
        #[arg(long, default_value_t = 100.0)]
        reads: f64,
    },
    /// Reads by id beside a bare handler with find_one; lists, searches and figures
    Read {
        #[command(flatten)]
        load: Load,
        /// How many published posts there are
        #[arg(long, default_value_t = 200_000)]
        posts: u64,
    },
    /// From the answer to a command until a read shows it, in each store
    Visible {
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        of: Of,
        /// Commands per second meanwhile
        #[arg(long, default_value_t = 500.0)]
        rate: f64,
    },
    /// Latency of commands while one partition, another one, is saturated
    Isolation {
        #[command(flatten)]
        load: Load,
        /// Commands per second on the others
        #[arg(long, default_value_t = 200.0)]
        rate: f64,
        /// Give the clients that saturate the lowest priority, so that they take no processor from the servers
        #[arg(long)]
        yielding: bool,
    },
    /// Latency of commands while one partition, another one, is full because its broker is slow
    Backlog {
        #[command(flatten)]
        load: Load,
        /// Commands per second on the others
        #[arg(long, default_value_t = 50.0)]
        rate: f64,
    },
    /// Likes of one post, until it has many, beside likes of many posts
    Likes {
        #[command(flatten)]
        stream: Stream,
        /// How many likes the post gets
        #[arg(long, default_value_t = 100_000)]
        likes: u64,
    },
    /// The memory of command-api at growing numbers of posts, after a fold and after a start from local state
    Memory {
        /// Numbers of posts, each larger than the one before
        #[arg(required = true)]
        posts: Vec<u64>,
    },
    /// The log read by the reader rule beside a plain consumer of it
    Log {
        #[command(flatten)]
        rounds: Rounds,
        /// How many posts the log holds
        #[arg(long, default_value_t = 1_000_000)]
        posts: u64,
    },
    /// How long a partition answers nothing while an instance joins, leaves by SIGTERM, or is killed
    Failover {
        #[command(flatten)]
        rounds: Rounds,
        /// How many posts the log holds, which an instance that joins has to fold
        #[arg(long, default_value_t = 24_000)]
        posts: u64,
    },
    /// How long each program takes until it is ready, where it has run before
    Start {
        #[command(flatten)]
        rounds: Rounds,
        /// How many posts the log holds
        #[arg(long, default_value_t = 24_000)]
        posts: u64,
    },
    /// Serve the bare handler at GROOT_HTTP_ADDR
    #[command(hide = true)]
    Floor,
    /// Serve the bare handler of reads at GROOT_HTTP_ADDR
    #[command(hide = true)]
    FloorReads {
        /// Answer with what was found before
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Args, Clone, Copy, Debug)]
struct Rounds {
    /// Rounds of each measurement; medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
}

#[derive(Args, Clone, Debug)]
struct Projections {
    #[command(flatten)]
    rounds: Rounds,
    #[command(flatten)]
    of: Of,
    /// How many events the log holds at least
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    /// Bytes of Markdown in each post; there are two events of each
    #[arg(long, default_value_t = 1_024)]
    content: usize,
    /// Count the first round, in which the servers are still cold; for long runs
    #[arg(long)]
    cold: bool,
}

#[derive(Args, Clone, Debug)]
struct Of {
    /// Measure this projection alone; may be given several times
    #[arg(long = "projection", value_parser = [DOCUMENTS.name, SEARCH.name, ANALYTICS.name])]
    projections: Vec<String>,
}

#[derive(Args, Clone, Copy, Debug)]
struct Load {
    #[command(flatten)]
    rounds: Rounds,
    #[command(flatten)]
    stream: Stream,
}

#[derive(Args, Clone, Copy, Debug)]
struct Stream {
    /// Connections, each with one request on its way
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

impl Of {
    /// All where none is named.
    fn includes(&self, projection: &str) -> bool {
        self.projections.is_empty() || self.projections.iter().any(|named| named == projection)
    }
}

impl Projections {
    async fn run(self, rebuilt: bool) -> Result<()> {
        let Self { rounds, of, events, content, cold } = self;
        let options = project::Options { rounds: rounds.count(), events, content, rebuilt, warm_up: !cold };
        project::run(options, |projection| of.includes(projection)).await
    }
}

impl Rounds {
    fn count(self) -> usize {
        self.rounds.into()
    }
}

impl Load {
    fn options(self) -> load::Options {
        let duration = self.stream.duration();
        load::Options { connections: self.stream.connections, rounds: self.rounds.count(), duration }
    }
}

impl Stream {
    fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().bench {
        Bench::Write { load, curve, peers } => write::run(write::Options { load: load.options(), curve, peers }).await,
        Bench::Project(projections) => projections.run(false).await,
        Bench::Rebuild(projections) => projections.run(true).await,
        Bench::Throttle { load, events, max_rate, reads } => {
            throttle::run(throttle::Options { load: load.options(), events, max_rate, reads }).await
        }
        Bench::Read { load, posts } => read::run(read::Options { load: load.options(), posts }).await,
        Bench::Visible { load, of, rate } => {
            visible::run(load.options(), |projection| of.includes(projection), rate).await
        }
        Bench::Isolation { load, rate, yielding } => isolation::run(load.options(), rate, yielding).await,
        Bench::Backlog { load, rate } => backlog::run(load.options(), rate).await,
        Bench::Likes { stream, likes } => likes::run(stream.connections, stream.duration(), likes).await,
        Bench::Memory { posts } => memory::run(&posts).await,
        Bench::Log { rounds, posts } => log::run(log::Options { rounds: rounds.count(), posts }).await,
        Bench::Failover { rounds, posts } => failover::run(failover::Options { rounds: rounds.count(), posts }).await,
        Bench::Start { rounds, posts } => start::run(start::Options { rounds: rounds.count(), posts }).await,
        Bench::Floor => floor::serve_writes(address()?, &variable("GROOT_KAFKA_BROKERS")?, PARTITIONS).await,
        Bench::FloorReads { keep } => {
            let (uri, database) = (variable("GROOT_MONGODB_URI")?, variable("GROOT_MONGODB_DATABASE")?);
            floor::serve_reads(address()?, &uri, &database, keep).await
        }
    }
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

fn address() -> Result<SocketAddr> {
    variable("GROOT_HTTP_ADDR")?.parse().context("GROOT_HTTP_ADDR is no address")
}
