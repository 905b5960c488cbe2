//! The metrics of the ways between instances, and of activity. Those of partitions are in [`crate::partition::meters`].
//!
//! | name | labels | what |
//! |---|---|---|
//! | `groot_commands_passed_on_total` | outcome | commands passed on to another instance: answered, not-made or in-doubt |
//! | `groot_activity_events_total` | outcome | events of clients: stored, or failed, of which some may be stored |

use metrics::{counter, describe_counter};

use crate::partition::seat::Attempt;

const PASSED_ON: &str = "groot_commands_passed_on_total";

const ACTIVITY: &str = "groot_activity_events_total";

/// Gives the metrics their help texts; call it once the recorder is installed.
pub fn describe_metrics() {
    describe_counter!(PASSED_ON, "Commands passed on to another instance, by what came of it there.");
    describe_counter!(ACTIVITY, "Events of clients, by whether they were stored; of those that failed some may be.");
}

pub fn activity(events: usize, stored: bool) {
    counter!(ACTIVITY, "outcome" => if stored { "stored" } else { "failed" }).increment(events as u64);
}

pub fn passed_on(attempt: &Attempt) {
    counter!(PASSED_ON, "outcome" => attempt.label()).increment(1);
}
