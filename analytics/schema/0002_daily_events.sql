-- The number of events of each type on each day, for the report of top events. Days are those of
-- the project's time zone, which analytics.zones.in_zone fills in.
CREATE TABLE IF NOT EXISTS daily_events
(
    day        Date,
    event_type LowCardinality(String),
    events     UInt64
)
ENGINE = SummingMergeTree(events)
PARTITION BY toYear(day)
ORDER BY (day, event_type)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_events_view TO daily_events AS
SELECT toDate(occurred_at/*zone*/) AS day, event_type, count() AS events
FROM events
GROUP BY day, event_type;
