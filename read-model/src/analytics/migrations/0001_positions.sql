-- Two rows for each partition after a merge: the last batch that was begun and the last that was done. No TTL.
CREATE TABLE IF NOT EXISTS checkpoints (
    id String,
    kind LowCardinality(String),
    revision Int64,
    next_offset UInt64,
    checkpoint String
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (id, kind)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS analytics_dead_letters_v1 (
    partition UInt32,
    key String,
    offset UInt64,
    standing LowCardinality(String),
    letter String,
    version UInt64,
    removed Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (partition, key, offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
