-- In which weeks a user came, and the first of them: retention.
--
-- Weeks run Monday to Sunday and are numbered from the one that holds 1970-01-01. A row holds the
-- 128 weeks of an epoch (2.45 years) as a mask: one row a user for most histories. 1969-12-31, which
-- zones west of Greenwich have, is day 65535 for ClickHouse, and plus 3 it is 2 in 16 bits.
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
    -- At rest for ten minutes all becomes one part: retention reads it in half the time.
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
