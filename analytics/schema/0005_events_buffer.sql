-- Rows in memory in front of `events`, used when CLICKHOUSE_USE_BUFFER says so.
CREATE TABLE IF NOT EXISTS events_buffer AS events
ENGINE = Buffer(currentDatabase(), events, 2, 1, 10, 10000, 200000, 10000000, 200000000);
