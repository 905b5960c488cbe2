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
}

const SERVICES: [Service; 3] = [Service::Kafka, Service::Registry, Service::Mongodb];

static STEADY: OnceLock<Stack> = OnceLock::new();
static FAILING: OnceLock<Stack> = OnceLock::new();
static BENCH: OnceLock<Stack> = OnceLock::new();

impl Servers {
    /// Starts them for the first who asks; they end with the test binary. Blocks.
    pub fn start(self) -> &'static Stack {
        let (cell, name) = match self {
            Self::Steady => (&STEADY, "steady"),
            Self::Failing => (&FAILING, "failing"),
            Self::Bench => (&BENCH, "bench"),
        };
        cell.get_or_init(|| Stack::start(name, &Options::for_test(&SERVICES)).expect("the servers start"))
    }

    /// The same for a task, whose thread must not be blocked.
    pub async fn stack(self) -> &'static Stack {
        tokio::task::spawn_blocking(move || self.start()).await.expect("the servers start")
    }
}
