-- How far each partition is in the statistics of an hour, a type and a country: the offset after the last event that was counted, by twice the
-- partition, and one more where it is of the topic of activity. It comes with what it tells of, in one block: of a batch that is tried
-- again it says whether the statistics have it.
ALTER TABLE events_hourly_v1 ADD COLUMN IF NOT EXISTS reached SimpleAggregateFunction(maxMap, Map(UInt64, UInt64));

-- As before, with how far it is. What is inserted with this comment is rows that the statistics have already.
ALTER TABLE events_to_hourly_v1 MODIFY QUERY SELECT
    toStartOfHour(timestamp) AS hour,
    event_type,
    country,
    countState() AS events,
    uniqState(user_id) AS users,
    uniqStateIf(session_id, session_id != '') AS sessions,
    map(toUInt64(any(partition)) * 2 + (any(source) = 'activity'), max(offset) + 1) AS reached
FROM events_analytics_v1
WHERE getSetting('log_comment') != 'rows alone'
GROUP BY hour, event_type, country;

-- The other way round: what is inserted here is counted and not kept.
CREATE TABLE IF NOT EXISTS events_uncounted_v1 AS events_analytics_v1 ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS events_uncounted_to_hourly_v1 TO events_hourly_v1 AS
SELECT
    toStartOfHour(timestamp) AS hour,
    event_type,
    country,
    countState() AS events,
    uniqState(user_id) AS users,
    uniqStateIf(session_id, session_id != '') AS sessions,
    map(toUInt64(any(partition)) * 2 + (any(source) = 'activity'), max(offset) + 1) AS reached
FROM events_uncounted_v1
GROUP BY hour, event_type, country;
