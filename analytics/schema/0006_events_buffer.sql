-- Rows in memory in front of events, used when CLICKHOUSE_USE_BUFFER is on. They move to events
-- after 1 to 10 seconds, or at 200,000 rows or 200 MB. A crash loses the rows in memory. This table
-- ignores insert_deduplication_token.
CREATE TABLE IF NOT EXISTS events_buffer AS events
ENGINE = Buffer(currentDatabase(), events, 1, 1, 10, 10000, 200000, 10000000, 200000000);
