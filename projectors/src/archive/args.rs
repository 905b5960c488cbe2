//! The settings of `projectors archive`.

use std::time::Duration;

use clap::Args;
use service::config;

use crate::config::{LogArgs, ProcessArgs};

#[derive(Clone, Debug, Args)]
pub struct ArchiveArgs {
    #[command(flatten)]
    pub log: LogArgs,
    /// What the names of consumer groups begin with.
    #[arg(long, env = "GROOT_GROUP_PREFIX", value_name = "PREFIX", default_value = "groot", value_parser = config::not_blank)]
    pub group_prefix: String,
    /// Bytes of records of a partition that make a range; the record that reaches it is still part of it.
    #[arg(long, env = "GROOT_ARCHIVE_RANGE_BYTES", value_name = "BYTES", default_value_t = 64 * 1024 * 1024, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub range_bytes: u64,
    /// How old the oldest record of a range may get before the range is closed: what is younger is not archived yet.
    #[arg(long, env = "GROOT_ARCHIVE_RANGE_AGE", value_name = "TIME", default_value = "10m", value_parser = config::duration)]
    pub range_age: Duration,
    /// Delete records from Kafka that are older than this and whose range was read back whole, or never. Whoever reads the log from its
    /// beginning needs --archive from then on.
    #[arg(long, env = "GROOT_ARCHIVE_DELETE_AFTER", value_name = "TIME|never", default_value = "never", value_parser = delete_after)]
    pub delete_after: DeleteAfter,
    /// A partition that is further behind than this, beyond the age of a range, makes /ready fail.
    #[arg(long, env = "GROOT_READY_LAG", value_name = "TIME", default_value = "30s", value_parser = config::duration)]
    pub ready_lag: Duration,
    #[command(flatten)]
    pub process: ProcessArgs,
}

/// When records may be deleted from the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAfter {
    Never,
    After(Duration),
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn delete_after(text: &str) -> Result<DeleteAfter, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok()).filter(|days| (1..=36_500).contains(days));
    match (text, days) {
        ("never", _) => Ok(DeleteAfter::Never),
        (_, Some(days)) => Ok(DeleteAfter::After(DAY * days)),
        (text, None) => config::duration(text)
            .map(DeleteAfter::After)
            .map_err(|_| "never, or a length of time such as 30d, 12h or 90m".to_owned()),
    }
}

/// When ranges are closed, and when records are deleted.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub range_bytes: u64,
    pub range_age: Duration,
    pub delete_after: DeleteAfter,
}

/// A range that is open.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Of its records, in bytes.
    pub size: u64,
    /// How long its first record has been in the log.
    pub age: Duration,
    /// How long ago this process began it.
    pub open_for: Duration,
    /// Whether it ends where the log does.
    pub is_at_the_end: bool,
}

impl Settings {
    /// Whether the range is to be closed now.
    ///
    /// Where there is more to read already, the age of records does not count: whoever has much to catch up with reads old records only, and
    /// would make a range of every handful.
    pub fn is_due(&self, range: Standing) -> bool {
        let is_old = range.age >= self.range_age && range.is_at_the_end;
        range.size >= self.range_bytes || is_old || range.open_for >= self.range_age
    }
}

impl From<&ArchiveArgs> for Settings {
    fn from(args: &ArchiveArgs) -> Self {
        Self { range_bytes: args.range_bytes, range_age: args.range_age, delete_after: args.delete_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_never_deleted_unless_a_time_is_given() {
        assert_eq!(delete_after("never"), Ok(DeleteAfter::Never));
        assert_eq!(delete_after("30d"), Ok(DeleteAfter::After(30 * DAY)));
        assert_eq!(delete_after("250ms"), Ok(DeleteAfter::After(Duration::from_millis(250))));
        for bad in ["", "0d", "d", "-1d", "30 d", "soon", "0s"] {
            assert!(delete_after(bad).unwrap_err().contains("never"), "{bad}");
        }
    }

    #[test]
    fn a_range_is_closed_when_it_is_large_or_its_first_record_is_old() {
        let settings =
            Settings { range_bytes: 100, range_age: Duration::from_secs(10), delete_after: DeleteAfter::Never };
        let young =
            Standing { size: 99, age: Duration::from_secs(9), open_for: Duration::from_secs(9), is_at_the_end: true };
        assert!(!settings.is_due(young));
        assert!(settings.is_due(Standing { size: 100, ..young }));
        assert!(settings.is_due(Standing { age: Duration::from_secs(10), ..young }));
        assert!(settings.is_due(Standing { open_for: Duration::from_secs(10), is_at_the_end: false, ..young }));
        let behind = Standing { age: DAY, is_at_the_end: false, ..young };
        assert!(!settings.is_due(behind), "there is more to read");
    }
}
