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
}

static STEADY: OnceLock<Stack> = OnceLock::new();
static FAILING: OnceLock<Stack> = OnceLock::new();

impl Servers {
    /// Starts them for the first who asks; they end with the test binary.
    pub async fn stack(self) -> &'static Stack {
        let start = move || {
            let (cell, name) = match self {
                Self::Steady => (&STEADY, "journeys"),
                Self::Failing => (&FAILING, "outages"),
            };
            let services = [Service::Kafka, Service::Registry, Service::Mongodb];
            cell.get_or_init(|| Stack::start(name, &Options::for_test(&services)).expect("the servers start"))
        };
        // Starting blocks, and must not do so on a thread that drives tasks.
        tokio::task::spawn_blocking(start).await.expect("the servers start")
    }
}
