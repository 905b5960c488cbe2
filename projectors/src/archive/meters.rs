//! The metrics of the archive, beside the lag and the states that it has in common with projections.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

/// Tells the exporter what each metric means.
pub fn describe() {
    describe_counter!("archive_records_total", Unit::Count, "Records that were archived");
    describe_counter!(
        "archive_record_bytes_total",
        Unit::Bytes,
        "Bytes of keys, values and headers that were archived"
    );
    describe_counter!("archive_file_bytes_total", Unit::Bytes, "Bytes of files that were stored for them");
    describe_counter!("archive_ranges_total", Unit::Count, "Ranges that were archived");
    describe_counter!(
        "archive_ranges_lost_total",
        Unit::Count,
        "Ranges that another archiver had archived first; they were read again"
    );
    describe_counter!(
        "archive_failures_total",
        Unit::Count,
        "Failures by what was tried: store, spool, schema, retention. Each is tried again"
    );
    describe_gauge!("archive_offset", Unit::Count, "The first offset of the partition that is not archived");
    describe_gauge!(
        "archive_deleted_offset",
        Unit::Count,
        "The first offset of the partition that was not deleted from the cluster by this process"
    );
}

pub(crate) fn archived(partition: u32, records: u64, record_bytes: u64, file_bytes: u64, next_offset: u64) {
    counter!("archive_records_total").increment(records);
    counter!("archive_record_bytes_total").increment(record_bytes);
    counter!("archive_file_bytes_total").increment(file_bytes);
    counter!("archive_ranges_total").increment(1);
    reached(partition, next_offset);
}

pub(crate) fn reached(partition: u32, next_offset: u64) {
    gauge!("archive_offset", "partition" => partition.to_string()).set(next_offset as f64);
}

pub(crate) fn lost() {
    counter!("archive_ranges_lost_total").increment(1);
}

pub(crate) fn failed(what: &'static str) {
    counter!("archive_failures_total", "what" => what).increment(1);
}

pub(crate) fn deleted(partition: u32, offset: u64) {
    gauge!("archive_deleted_offset", "partition" => partition.to_string()).set(offset as f64);
}
