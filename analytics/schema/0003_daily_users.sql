-- Which users came on a day; a row for each of its event types and one ('') for any type.
CREATE TABLE IF NOT EXISTS daily_users
(
    event_type LowCardinality(String),
    day        Date,
    user_hash  UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (event_type, day, user_hash)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_users_view TO daily_users AS
SELECT DISTINCT arrayJoin([event_type, '']) AS event_type, toDate(occurred_at) AS day, user_hash
FROM events;
