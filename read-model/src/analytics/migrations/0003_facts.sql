-- An event of a post says only what it changes. Each becomes a row whose columns are pairs of a version and a value, version 0
-- where the event says nothing, and merges keep the highest pair of each column. So nothing is read before it is written, rows
-- may come in any order, and a row that comes again changes nothing.
CREATE TABLE IF NOT EXISTS posts_v1 (
    id UUID,
    title SimpleAggregateFunction(max, Tuple(UInt64, String)),
    post_type SimpleAggregateFunction(max, Tuple(UInt64, String)),
    slug SimpleAggregateFunction(max, Tuple(UInt64, String)),
    status SimpleAggregateFunction(max, Tuple(UInt64, String)),
    author_id SimpleAggregateFunction(max, Tuple(UInt64, UUID)),
    published_at SimpleAggregateFunction(max, Tuple(UInt64, DateTime64(3, 'UTC'))),
    created_at SimpleAggregateFunction(max, Tuple(UInt64, DateTime64(3, 'UTC')))
)
ENGINE = AggregatingMergeTree
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS authors_v1 (
    id UUID,
    name String,
    created_at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Likes and comments, by which those of a post are counted for ever, and not for the 90 days that events are kept.
CREATE TABLE IF NOT EXISTS responses_v1 (
    post_id UUID,
    kind LowCardinality(String),
    id UUID,
    stands SimpleAggregateFunction(max, Tuple(UInt64, Bool)),
    first_at SimpleAggregateFunction(min, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (post_id, kind, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW IF NOT EXISTS posts AS
SELECT
    id,
    tupleElement(max(title), 2) AS title,
    tupleElement(max(post_type), 2) AS post_type,
    tupleElement(max(slug), 2) AS slug,
    tupleElement(max(status), 2) AS status,
    tupleElement(max(author_id), 2) AS author_id,
    if(tupleElement(max(published_at), 1) = 0, NULL, tupleElement(max(published_at), 2)) AS published_at,
    tupleElement(max(created_at), 2) AS created_at
FROM posts_v1
GROUP BY id;

CREATE VIEW IF NOT EXISTS authors AS SELECT * FROM authors_v1 FINAL;

CREATE VIEW IF NOT EXISTS responses AS
SELECT post_id, kind, id, tupleElement(max(stands), 2) AS stands, min(first_at) AS first_at
FROM responses_v1
GROUP BY post_id, kind, id;
