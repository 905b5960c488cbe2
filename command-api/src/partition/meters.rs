//! The metrics of one partition in this process. Claims, epoch changes and skipped records are counted by the log.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `groot_partition_owned` | partition | 1 while this process serves the partition, else 0 |
//! | `groot_partition_epoch` | partition | the offset of the claim that this process serves it under |
//! | `groot_partition_pending_commands` | partition | commands entered and not answered |
//! | `groot_partition_hand_over_seconds` | | from being told to hand a partition over until the next owner's claim was read |
//! | `groot_command_append_seconds` | partition | from a command's entering the partition until it was read back |

use std::time::Duration;

use event_log::record::Epoch;
use metrics::{Gauge, Histogram, describe_gauge, describe_histogram, gauge, histogram};

const OWNED: &str = "groot_partition_owned";
const EPOCH: &str = "groot_partition_epoch";
const PENDING: &str = "groot_partition_pending_commands";
const HAND_OVER: &str = "groot_partition_hand_over_seconds";
const APPEND: &str = "groot_command_append_seconds";

/// Gives the metrics their help texts; call it once the recorder is installed.
pub fn describe_metrics() {
    describe_gauge!(OWNED, "1 while this process serves the partition, else 0.");
    describe_gauge!(EPOCH, "The offset of the claim that this process serves the partition under.");
    describe_gauge!(PENDING, "Commands entered and not answered.");
    describe_histogram!(
        HAND_OVER,
        "Seconds from being told to hand a partition over until the next owner's claim was read; it is served all the time."
    );
    describe_histogram!(APPEND, "Seconds from a command's entering the partition until it was read back.");
}

pub struct Meters {
    owned: Gauge,
    epoch: Gauge,
    pending: Gauge,
    append: Histogram,
}

impl Meters {
    pub fn new(partition: u32) -> Self {
        let partition = partition.to_string();
        Self {
            owned: gauge!(OWNED, "partition" => partition.clone()),
            epoch: gauge!(EPOCH, "partition" => partition.clone()),
            pending: gauge!(PENDING, "partition" => partition.clone()),
            append: histogram!(APPEND, "partition" => partition),
        }
    }

    /// `epoch` is the one that is being served under, if any.
    pub fn show(&self, epoch: Option<Epoch>, pending: usize) {
        self.owned.set(if epoch.is_some() { 1.0 } else { 0.0 });
        if let Some(epoch) = epoch {
            self.epoch.set(epoch.offset as f64);
        }
        self.pending.set(pending as f64);
    }

    pub fn handed_over(&self, after: Duration) {
        histogram!(HAND_OVER).record(after);
    }

    pub fn appended(&self, after: Duration) {
        self.append.record(after);
    }
}
