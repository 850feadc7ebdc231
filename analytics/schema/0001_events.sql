-- Every event once, in full.
--
-- properties_text is the object as it was sent; properties is the same parsed, a subcolumn a path,
-- for segments. It is a DEFAULT and not MATERIALIZED so that events_buffer fills it with the
-- settings of the insert and passes it on.
-- A path beyond the first 128 of a part shares a column with the others: with the default of 1,024
-- a part of many keys is so many files that merges and then inserts fail for want of descriptors.
CREATE TABLE IF NOT EXISTS events
(
    event_id        UUID,
    occurred_at     DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    user_id         String CODEC(ZSTD(1)),
    event_type      LowCardinality(String),
    properties_text String CODEC(ZSTD(1)),
    properties      JSON(max_dynamic_paths = 128) DEFAULT CAST(properties_text AS JSON(max_dynamic_paths = 128)),
    user_hash       UInt64 DEFAULT sipHash64(user_id)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (event_type, toDate(occurred_at), user_hash)
SETTINGS non_replicated_deduplication_window = 100000;
