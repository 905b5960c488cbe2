//! The broker that the tests of the log share.

use std::sync::OnceLock;

use xtask::server::Service;
use xtask::stack::{Options, Stack};

static STACK: OnceLock<Stack> = OnceLock::new();

/// Its address; starts it for the first who asks, and it ends with the test binary.
pub fn of_the_log_tests() -> String {
    let start = || Stack::start("kafka-log", &Options::for_test(&[Service::Kafka])).expect("the broker starts");
    // Starting blocks, and must not do so on a thread that drives tasks.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| STACK.get_or_init(start).addresses().kafka_brokers.clone());
        thread.join().expect("the broker starts")
    })
}
