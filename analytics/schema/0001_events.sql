-- Every event once, in full.
CREATE TABLE IF NOT EXISTS events
(
    event_id        UUID,
    occurred_at     DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    user_id         String CODEC(ZSTD(1)),
    event_type      LowCardinality(String),
    -- The object as it was sent, and the same parsed: one subcolumn a path, for segments.
    properties_text String CODEC(ZSTD(1)),
    properties      JSON DEFAULT CAST(properties_text AS JSON),
    user_hash       UInt64 DEFAULT sipHash64(user_id),
    ingested_at     DateTime('UTC') DEFAULT now() CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (event_type, toDate(occurred_at), user_hash)
SETTINGS non_replicated_deduplication_window = 10000;
