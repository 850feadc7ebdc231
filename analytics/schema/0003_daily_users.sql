-- Which users came on a day: daily active users, counted without looking at the users wherever
-- parts don't overlap. The same per event type stands in a table of its own, because reading the
-- type beside the day would double the cost of the report without one. Years and not months,
-- because an imported block that spans many months would write a part for each.
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
    -- A year at rest for ten minutes becomes one part, which FINAL reads as it is.
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
