-- The id of each user, and the moments of the first and the last event, for lists of people.
--
-- Reports know users by their hash. This table gives the ids behind some hashes, and the newest
-- users first. Two ids of one hash are two rows. Moments have no zone, so a project's change of zone
-- leaves the table as it is.
CREATE TABLE IF NOT EXISTS users
(
    user_hash UInt64,
    user_id   String CODEC(ZSTD(1)),
    first_at  SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_at   SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (user_hash, user_id)
SETTINGS
    non_replicated_deduplication_window = 100000,
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS users_view TO users AS
SELECT user_hash, user_id, occurred_at AS first_at, occurred_at AS last_at
FROM events;
