//! The allocator of every binary: jemalloc, for Rust and, as the names of C's own functions lead to it, for librdkafka too.
//! Why is in `docs/adr/005-jemalloc.md`.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use tikv_jemalloc_ctl::{Error, epoch, raw, stats};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An arena for each core, where four for each are the default, and what is not used goes back after a quarter of a second, not
/// after ten: what one task frees another takes, and a fold's memory is gone when the fold is. The environment variable
/// `MALLOC_CONF` has the last word.
#[expect(unsafe_code, reason = "jemalloc looks for its options under this name")]
// SAFETY: jemalloc's manual gives the name the type `const char *`, and the text ends with a zero.
#[unsafe(export_name = "malloc_conf")]
static OPTIONS: &[u8; 39] = b"percpu_arena:percpu,dirty_decay_ms:250\0";

const ALLOCATIONS: &str = "groot_memory_allocations_total";
const ALLOCATED: &str = "groot_memory_allocated_bytes";
const RESIDENT: &str = "groot_memory_resident_bytes";

pub(crate) fn describe_metrics() {
    describe_counter!(ALLOCATIONS, "Pieces of memory asked for since the start, by Rust and by C.");
    describe_gauge!(ALLOCATED, "Bytes of memory given out and not given back.");
    describe_gauge!(RESIDENT, "Bytes of memory that the allocator holds for them, without stacks and code.");
}

/// Brings the metrics of memory up to date.
pub(crate) fn report() {
    if let Err(error) = read() {
        tracing::debug!("the allocator does not tell its figures: {error}");
    }
}

fn read() -> Result<(), Error> {
    // All figures are those of the last turn of this.
    epoch::advance()?;
    counter!(ALLOCATIONS)
        .absolute(count(b"stats.arenas.4096.small.nrequests\0")? + count(b"stats.arenas.4096.large.nrequests\0")?);
    gauge!(ALLOCATED).set(stats::allocated::read()? as f64);
    gauge!(RESIDENT).set(stats::resident::read()? as f64);
    Ok(())
}

/// 4096 stands for all arenas together (`MALLCTL_ARENAS_ALL`).
#[expect(unsafe_code, reason = "these figures have no name in the crate that is safe")]
fn count(name: &'static [u8]) -> Result<u64, Error> {
    // SAFETY: the name ends with a zero, and jemalloc's manual gives both figures the type uint64_t.
    unsafe { raw::read(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "this option has no name in the crate that is safe")]
    fn the_options_are_those_above() {
        // SAFETY: the name ends with a zero, and jemalloc's manual gives the option the type ssize_t.
        let decay: isize = unsafe { raw::read(b"opt.dirty_decay_ms\0") }.unwrap();
        assert_eq!(decay, 250);
    }

    #[test]
    fn allocations_are_counted() {
        let allocations = || {
            epoch::advance().unwrap();
            count(b"stats.arenas.4096.small.nrequests\0").unwrap()
                + count(b"stats.arenas.4096.large.nrequests\0").unwrap()
        };
        let before = allocations();
        let pieces: Vec<Box<[u8]>> = (0..100_000).map(|n| vec![0; 64 + n % 64].into()).collect();
        assert!(allocations() >= before + pieces.len() as u64 / 2, "of a thread's own cache not all is counted yet");
    }
}
