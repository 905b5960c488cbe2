//! The metrics of projections. Each bears the labels `projection` and `version`; those of partitions bear `partition` as well.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use read_model::Projection;

/// Tells the exporter what each metric means.
pub fn describe() {
    describe_gauge!(
        "projection_lag_records",
        Unit::Count,
        "Records of the partition that the store does not reflect yet"
    );
    describe_gauge!(
        "projection_lag_seconds",
        Unit::Seconds,
        "How long the oldest record that the store does not reflect has been in the log; 0 when there is none"
    );
    describe_histogram!(
        "projection_oldest_event_age_seconds",
        Unit::Seconds,
        "From the log to the store: the age of a batch's oldest event when the batch had been written"
    );
    describe_histogram!("projection_batch_events", Unit::Count, "Events in a batch");
    describe_histogram!("projection_batch_bytes", Unit::Bytes, "Bytes of log in a batch");
    describe_histogram!(
        "projection_write_seconds",
        Unit::Seconds,
        "How long a batch waited for the store and was written"
    );
    describe_histogram!(
        "projection_partitions_together",
        Unit::Count,
        "Partitions whose batches went to the store in one transaction or request"
    );
    describe_counter!("projection_events_total", Unit::Count, "Events projected and written");
    describe_counter!(
        "projection_foreign_events_total",
        Unit::Count,
        "Events passed over because they are of aggregates that this build does not know"
    );
    describe_gauge!(
        "projection_partitions",
        Unit::Count,
        "Partitions of this process by state: loading, running, waiting, halted"
    );
    describe_counter!(
        "projection_waits_total",
        Unit::Count,
        "Failed calls to a store or registry, after each of which there was a pause; by what was waited for"
    );
    describe_counter!(
        "projection_superseded_total",
        Unit::Count,
        "Batches not written because the checkpoint had moved already"
    );
    describe_counter!(
        "projection_store_lost_total",
        Unit::Count,
        "Times that a store was found to have lost what was written, after which the version was taken up anew"
    );
    describe_counter!(
        "projection_repeated_batches_total",
        Unit::Count,
        "Batches of which the store had a part already, as when a checkpoint was taken away"
    );
    describe_counter!(
        "projection_documents_resent_total",
        Unit::Count,
        "Documents sent again because the store had no time for them"
    );
    describe_gauge!(
        "projection_parked_aggregates",
        Unit::Count,
        "Aggregates whose events wait for an operator, since one of them could not be projected; by partition"
    );
    describe_counter!("projection_parked_events_total", Unit::Count, "Events that were parked");
    describe_counter!(
        "activity_expired_total",
        Unit::Count,
        "Records of activity that the topic gave up before they were counted"
    );
    describe_counter!(
        "activity_unreadable_total",
        Unit::Count,
        "Records of activity that could not be read and are not counted"
    );
    describe_counter!(
        "projection_transaction_retries_total",
        Unit::Count,
        "Transactions begun anew after a passing conflict"
    );
}

/// A batch that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub events: u64,
    pub bytes: u64,
    pub write_seconds: f64,
    /// None for a batch without events.
    pub oldest_age_seconds: Option<f64>,
}

pub(crate) fn written(projection: Projection, batch: Written) {
    counter!("projection_events_total", "projection" => projection.name, "version" => projection.version.to_string())
        .increment(batch.events);
    histogram!("projection_batch_events", "projection" => projection.name, "version" => projection.version.to_string())
        .record(batch.events as f64);
    histogram!("projection_batch_bytes", "projection" => projection.name, "version" => projection.version.to_string())
        .record(batch.bytes as f64);
    histogram!("projection_write_seconds", "projection" => projection.name, "version" => projection.version.to_string()).record(batch.write_seconds);
    if let Some(age) = batch.oldest_age_seconds {
        histogram!("projection_oldest_event_age_seconds", "projection" => projection.name, "version" => projection.version.to_string()).record(age);
    }
}

/// Of how many partitions batches go to the store in one.
pub(crate) fn together(projection: Projection, partitions: usize) {
    histogram!("projection_partitions_together", "projection" => projection.name, "version" => projection.version.to_string())
        .record(partitions as f64);
}

pub(crate) fn waited(projection: Projection, what: &'static str) {
    counter!("projection_waits_total", "projection" => projection.name, "version" => projection.version.to_string(), "for" => what).increment(1);
}

pub(crate) fn superseded(projection: Projection) {
    counter!("projection_superseded_total", "projection" => projection.name, "version" => projection.version.to_string()).increment(1);
}

pub(crate) fn store_lost(projection: Projection) {
    counter!("projection_store_lost_total", "projection" => projection.name, "version" => projection.version.to_string()).increment(1);
}

pub(crate) fn parked(projection: Projection, partition: u32, aggregates: usize) {
    gauge!("projection_parked_aggregates", "projection" => projection.name, "version" => projection.version.to_string(), "partition" => partition.to_string())
        .set(aggregates as f64);
}

pub(crate) fn parked_events(projection: Projection, events: usize) {
    counter!("projection_parked_events_total", "projection" => projection.name, "version" => projection.version.to_string()).increment(events as u64);
}

pub(crate) fn partitions(projection: Projection, state: &'static str, count: usize) {
    gauge!("projection_partitions", "projection" => projection.name, "version" => projection.version.to_string(), "state" => state).set(count as f64);
}

pub(crate) fn lag(projection: Projection, partition: u32, records: u64, seconds: f64) {
    let partition = partition.to_string();
    gauge!("projection_lag_records", "projection" => projection.name, "version" => projection.version.to_string(), "partition" => partition.clone()).set(records as f64);
    gauge!("projection_lag_seconds", "projection" => projection.name, "version" => projection.version.to_string(), "partition" => partition).set(seconds);
}

pub(crate) fn repeated(projection: Projection) {
    counter!("projection_repeated_batches_total", "projection" => projection.name, "version" => projection.version.to_string())
        .increment(1);
}

pub(crate) fn transaction_retried(projection: Projection) {
    counter!("projection_transaction_retries_total", "projection" => projection.name, "version" => projection.version.to_string())
        .increment(1);
}

pub(crate) fn documents_resent(projection: Projection, documents: u64) {
    counter!("projection_documents_resent_total", "projection" => projection.name, "version" => projection.version.to_string())
        .increment(documents);
}

pub(crate) fn activity_expired(records: u64) {
    counter!("activity_expired_total").increment(records);
}

pub(crate) fn activity_unreadable(records: u64) {
    counter!("activity_unreadable_total").increment(records);
}
