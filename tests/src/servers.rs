//! The servers that whole-system tests share. Each test has topics, a group and a database of its own on them.

use std::sync::OnceLock;

use xtask::server::Service;
use xtask::stack::{Options, Stack};

/// One of the stacks of this test binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// They are left alone.
    Steady,
    /// Tests take them away for a while; one such test runs at a time.
    Failing,
    /// Those of a bench.
    Bench,
    /// Those of a bench of all projections.
    WholeBench,
    /// Three brokers, of which two must have each record, and [`WAYS`] ways to them through proxies.
    Cluster,
    /// The same for a bench.
    BenchCluster,
}

/// How many ways there are to the brokers of the cluster, so that programs can be cut off one by one.
pub const WAYS: usize = 7;

/// What the log and the documents need.
const CORE: [Service; 3] = [Service::Kafka, Service::Registry, Service::Mongodb];
/// The stores of the other projections.
const STORES: [Service; 2] = [Service::Elasticsearch, Service::Clickhouse];

static STEADY: OnceLock<Stack> = OnceLock::new();
static FAILING: OnceLock<Stack> = OnceLock::new();
static BENCH: OnceLock<Stack> = OnceLock::new();
static WHOLE_BENCH: OnceLock<Stack> = OnceLock::new();
static CLUSTER: OnceLock<Stack> = OnceLock::new();
static BENCH_CLUSTER: OnceLock<Stack> = OnceLock::new();

impl Servers {
    /// Starts them for the first who asks; they end with the test binary. Blocks.
    pub fn start(self) -> &'static Stack {
        let (cell, name) = match self {
            Self::Steady => (&STEADY, "steady"),
            Self::Failing => (&FAILING, "failing"),
            Self::Bench => (&BENCH, "bench"),
            Self::WholeBench => (&WHOLE_BENCH, "whole-bench"),
            Self::Cluster => (&CLUSTER, "cluster"),
            Self::BenchCluster => (&BENCH_CLUSTER, "bench-cluster"),
        };
        cell.get_or_init(|| Stack::start(name, &self.options()).expect("the servers start"))
    }

    /// What there is to start.
    pub fn options(self) -> Options {
        let whole = [CORE.as_slice(), &STORES].concat();
        let cluster = [CORE.as_slice(), &[Service::Toxiproxy]].concat();
        match self {
            Self::Steady => Options::for_test(&whole),
            // A broker that hangs for as long as a command may take is missed by its controller, which it is itself: when it wakes up
            // the cluster has no brokers for a moment.
            Self::Failing => Options::for_test(&whole)
                .kafka_setting("broker.heartbeat.interval.ms", "500")
                .kafka_setting("broker.session.timeout.ms", "3000"),
            Self::Bench => Options::for_bench(&CORE),
            Self::WholeBench => Options::for_bench(&whole),
            Self::Cluster => of_three(Options::for_test(&cluster)),
            Self::BenchCluster => of_three(Options::for_bench(&cluster)),
        }
    }

    /// The same for a task, whose thread must not be blocked.
    pub async fn stack(self) -> &'static Stack {
        tokio::task::spawn_blocking(move || self.start()).await.expect("the servers start")
    }
}

fn of_three(options: Options) -> Options {
    options
        .brokers(3)
        .ways(WAYS)
        // Brokers forget who wrote after a second without a record, not after a day: a retry after that is a duplicate.
        .kafka_setting("producer.id.expiration.ms", "1000")
        .kafka_setting("producer.id.expiration.check.interval.ms", "500")
}
