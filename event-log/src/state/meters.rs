//! The metrics of state.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `groot_state_discarded_total` | from, reason | state that was there and could not be used; `from` is `local` or `snapshot` |
//! | `groot_snapshots_total` | outcome | snapshots written: `stored` or `failed` |
//! | `groot_snapshot_bytes` | partition | the size of the last snapshot stored here |

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::Discarded;

const DISCARDED: &str = "groot_state_discarded_total";
const SNAPSHOTS: &str = "groot_snapshots_total";
const SNAPSHOT_BYTES: &str = "groot_snapshot_bytes";

/// Gives the metrics of state their help texts; call it once the recorder is installed.
pub fn describe_state_metrics() {
    describe_counter!(DISCARDED, "State, local or in a snapshot, that was there and could not be used.");
    describe_counter!(SNAPSHOTS, "Snapshots of partitions that were stored, or could not be.");
    describe_gauge!(SNAPSHOT_BYTES, "The size of the last snapshot of the partition that was stored here, in bytes.");
}

pub(super) fn discarded(why: &Discarded, from: &'static str) {
    counter!(DISCARDED, "from" => from, "reason" => why.label()).increment(1);
}

pub(super) fn snapshot_stored(partition: u32, bytes: u64) {
    counter!(SNAPSHOTS, "outcome" => "stored").increment(1);
    gauge!(SNAPSHOT_BYTES, "partition" => partition.to_string()).set(bytes as f64);
}

pub(super) fn snapshot_failed() {
    counter!(SNAPSHOTS, "outcome" => "failed").increment(1);
}
