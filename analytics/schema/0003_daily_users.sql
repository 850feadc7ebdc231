-- The users of each day, for daily active users. Where parts do not overlap, the report counts rows
-- and does not read the users. A second table has the users by event type, because the column of
-- the type would double the cost of the report that needs no type. A partition is a year and not a
-- month, because an imported block of many months would write a part for each month.
CREATE TABLE IF NOT EXISTS daily_users
(
    day       Date,
    user_hash UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(day)
ORDER BY (day, user_hash)
SETTINGS
    non_replicated_deduplication_window = 100000,
    -- After ten minutes without new rows, a year becomes one part. FINAL reads one part without
    -- merging it.
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_users_view TO daily_users AS
SELECT toDate(occurred_at/*zone*/) AS day, user_hash
FROM events;

CREATE TABLE IF NOT EXISTS daily_users_by_type
(
    event_type LowCardinality(String),
    day        Date,
    user_hash  UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYear(day)
ORDER BY (event_type, day, user_hash)
SETTINGS
    non_replicated_deduplication_window = 100000,
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_users_by_type_view TO daily_users_by_type AS
SELECT event_type, toDate(occurred_at/*zone*/) AS day, user_hash
FROM events;
