-- The weeks in which each user came, and the first of these weeks, for retention.
--
-- Weeks run from Monday to Sunday. Week 0 is the week of 1970-01-01. An epoch is 128 weeks (2.45
-- years). A row has a user's weeks in one epoch as a mask, so most users have only one row.
-- 1969-12-31, which zones west of Greenwich have, is day 65535 for ClickHouse. Plus 3 it is 2 in 16
-- bits, a day of week 0.
CREATE TABLE IF NOT EXISTS weekly_users
(
    user_hash  UInt64,
    epoch      UInt16,
    first_week SimpleAggregateFunction(min, UInt16),
    weeks      SimpleAggregateFunction(groupBitOr, UInt128)
)
ENGINE = AggregatingMergeTree
ORDER BY (user_hash, epoch)
SETTINGS
    non_replicated_deduplication_window = 100000,
    -- After ten minutes without new rows, all rows become one part, which retention reads in half
    -- the time.
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS weekly_users_view TO weekly_users AS
SELECT
    user_hash,
    intDiv(first_week, 128) AS epoch,
    intDiv(toUInt16(toUInt16(toDate(occurred_at/*zone*/)) + 3), 7) AS first_week,
    bitShiftLeft(toUInt128(1), first_week % 128) AS weeks
FROM events;

CREATE TABLE IF NOT EXISTS weekly_users_by_type
(
    event_type LowCardinality(String),
    user_hash  UInt64,
    epoch      UInt16,
    first_week SimpleAggregateFunction(min, UInt16),
    weeks      SimpleAggregateFunction(groupBitOr, UInt128)
)
ENGINE = AggregatingMergeTree
ORDER BY (event_type, user_hash, epoch)
SETTINGS
    non_replicated_deduplication_window = 100000,
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS weekly_users_by_type_view TO weekly_users_by_type AS
SELECT
    event_type,
    user_hash,
    intDiv(first_week, 128) AS epoch,
    intDiv(toUInt16(toUInt16(toDate(occurred_at/*zone*/)) + 3), 7) AS first_week,
    bitShiftLeft(toUInt128(1), first_week % 128) AS weeks
FROM events;
