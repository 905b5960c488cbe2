//! What the process takes of its machine.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

/// As the kernel counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since the start, of all threads.
    pub processor: Duration,
    /// Bytes of memory that are resident; 0 where the kernel does not say.
    pub resident: u64,
}

impl Usage {
    pub fn now() -> Self {
        let duration =
            |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or_default());
        let processor =
            getrusage(UsageWho::RUSAGE_SELF).map(|used| duration(used.user_time()) + duration(used.system_time()));
        Self { processor: processor.unwrap_or_default(), resident: resident().unwrap_or_default() }
    }
}

fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_and_memory_is_there() {
        let before = Usage::now();
        assert!(before.resident > 1 << 20, "{before:?}");
        while Usage::now().processor == before.processor {
            std::hint::black_box((0..10_000u64).sum::<u64>());
        }
    }
}
