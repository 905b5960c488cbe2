//! The metrics of the ways between instances. Those of partitions are in [`crate::partition::meters`].
//!
//! | name | labels | what |
//! |---|---|---|
//! | `groot_commands_passed_on_total` | outcome | commands passed on to another instance: answered, not-made or in-doubt |

use metrics::{counter, describe_counter};

use crate::partition::seat::Attempt;

const PASSED_ON: &str = "groot_commands_passed_on_total";

/// Gives the metrics their help texts; call it once the recorder is installed.
pub fn describe_metrics() {
    describe_counter!(PASSED_ON, "Commands passed on to another instance, by what came of it there.");
}

pub fn passed_on(attempt: &Attempt) {
    counter!(PASSED_ON, "outcome" => attempt.label()).increment(1);
}
