//! The metrics of the log, all in one place.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `groot_log_records_read_total` | partition | records delivered to a reader |
//! | `groot_log_records_skipped_total` | partition, reason | records that the reader rule skipped |
//! | `groot_log_epoch_changes_total` | partition | claims read: each starts a new epoch |
//! | `groot_log_claims_total` | partition | claims appended here |
//! | `groot_log_appends_total` | outcome | appends by outcome: done or failed |
//! | `groot_log_lane_replacements_total` | lane | producers of the pool that were purged and replaced |
//! | `groot_log_pace_changes_total` | partition, pace | times a partition was read on apart from the others, its reader being far behind (`catch-up`), or with them again (`tail`) |
//! | `groot_log_read_failures_total` | partition | times a partition could not be read on from where its reader stood |
//! | `groot_log_client_errors_total` | client | errors that clients of the cluster reported and recovered from |

use metrics::{Counter, counter, describe_counter};

use crate::log::Lane;
use crate::reader::Skip;

const RECORDS_READ: &str = "groot_log_records_read_total";
const RECORDS_SKIPPED: &str = "groot_log_records_skipped_total";
const EPOCH_CHANGES: &str = "groot_log_epoch_changes_total";
const CLAIMS: &str = "groot_log_claims_total";
const APPENDS: &str = "groot_log_appends_total";
const LANE_REPLACEMENTS: &str = "groot_log_lane_replacements_total";
const PACE_CHANGES: &str = "groot_log_pace_changes_total";
const READ_FAILURES: &str = "groot_log_read_failures_total";
const CLIENT_ERRORS: &str = "groot_log_client_errors_total";

/// Gives the metrics their help texts; call it once the recorder is installed.
pub fn describe_metrics() {
    describe_counter!(RECORDS_READ, "Records delivered to a reader.");
    describe_counter!(RECORDS_SKIPPED, "Records that the reader rule skipped.");
    describe_counter!(EPOCH_CHANGES, "Claims read: each starts a new epoch.");
    describe_counter!(CLAIMS, "Claims appended by this process.");
    describe_counter!(APPENDS, "Appends by outcome.");
    describe_counter!(LANE_REPLACEMENTS, "Producers of the pool that were purged and replaced.");
    describe_counter!(PACE_CHANGES, "Times a partition was read on apart from others or with them again.");
    describe_counter!(READ_FAILURES, "Times a partition could not be read on from where its reader stood.");
    describe_counter!(CLIENT_ERRORS, "Errors that clients of the cluster reported and recovered from.");
}

/// A reader met a claim.
pub fn epoch_changed(partition: u32) {
    counter!(EPOCH_CHANGES, "partition" => partition.to_string()).increment(1);
}

/// A reader skipped a record.
pub fn record_skipped(partition: u32, skip: Skip) {
    counter!(RECORDS_SKIPPED, "partition" => partition.to_string(), "reason" => skip.label()).increment(1);
}

pub(super) fn records_read(partition: u32) -> Counter {
    counter!(RECORDS_READ, "partition" => partition.to_string())
}

pub(super) fn claim_appended(partition: u32) {
    counter!(CLAIMS, "partition" => partition.to_string()).increment(1);
}

pub(super) fn append_settled(done: bool) {
    counter!(APPENDS, "outcome" => if done { "done" } else { "failed" }).increment(1);
}

pub(super) fn lane_replaced(lane: Lane) {
    counter!(LANE_REPLACEMENTS, "lane" => lane.to_string()).increment(1);
}

pub(super) fn pace_changed(partition: u32, pace: &'static str) {
    counter!(PACE_CHANGES, "partition" => partition.to_string(), "pace" => pace).increment(1);
}

pub(super) fn read_failed(partition: u32) {
    counter!(READ_FAILURES, "partition" => partition.to_string()).increment(1);
}

pub(super) fn client_error(client: &'static str) {
    counter!(CLIENT_ERRORS, "client" => client).increment(1);
}
