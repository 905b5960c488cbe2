CREATE TABLE IF NOT EXISTS events_analytics_v1 (
    timestamp DateTime64(3, 'UTC'),
    user_id Nullable(UUID),
    event_type LowCardinality(String),
    aggregate_id Nullable(UUID),
    post_id Nullable(UUID),
    properties Map(String, String),
    session_id String,
    -- IPv4 addresses as ::ffff:a.b.c.d.
    ip_address Nullable(IPv6),
    user_agent String,
    country LowCardinality(String),
    region LowCardinality(String),
    -- events or activity: which topic partition and offset are of.
    source LowCardinality(String),
    partition UInt32,
    offset UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (event_type, timestamp, source, partition, offset)
TTL toDateTime(timestamp) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- States, which merges of parts and of answers can put together: of two parts that each have seen one user no number could say
-- whether it was the same one.
CREATE TABLE IF NOT EXISTS events_hourly_v1 (
    hour DateTime('UTC'),
    event_type LowCardinality(String),
    country LowCardinality(String),
    events AggregateFunction(count),
    users AggregateFunction(uniq, Nullable(UUID)),
    sessions AggregateFunction(uniq, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, event_type, country)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_hourly_v1 TO events_hourly_v1 AS
SELECT
    toStartOfHour(timestamp) AS hour,
    event_type,
    country,
    countState() AS events,
    uniqState(user_id) AS users,
    uniqStateIf(session_id, session_id != '') AS sessions
FROM events_analytics_v1
GROUP BY hour, event_type, country;

CREATE VIEW IF NOT EXISTS events_analytics AS SELECT * FROM events_analytics_v1;

CREATE VIEW IF NOT EXISTS events_hourly AS SELECT * FROM events_hourly_v1;
