-- In which weeks a user came, and since when; per event type and ('') for any type.
CREATE TABLE IF NOT EXISTS weekly_users
(
    event_type LowCardinality(String),
    user_hash  UInt64,
    epoch      UInt16,
    first_day  SimpleAggregateFunction(min, Date),
    weeks      SimpleAggregateFunction(groupBitOr, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (event_type, user_hash, epoch)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS weekly_users_view TO weekly_users AS
WITH intDiv(toUInt16(toDate(occurred_at)) + 3, 7) AS week
SELECT
    arrayJoin([event_type, '']) AS event_type,
    user_hash,
    intDiv(week, 64) AS epoch,
    min(toDate(occurred_at)) AS first_day,
    groupBitOr(bitShiftLeft(1::UInt64, week % 64)) AS weeks
FROM events
GROUP BY event_type, user_hash, epoch;
