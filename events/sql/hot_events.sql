-- The hot layer. Text compares byte by byte: a locale buys nothing here and costs on every
-- comparison. Properties are json and not jsonb, which changes numbers and the order of keys.
CREATE TABLE hot_events (
    event_id    uuid        NOT NULL,
    occurred_at timestamptz NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    event_type  text COLLATE "C" NOT NULL,
    properties  json        NOT NULL
) PARTITION BY RANGE (occurred_at);

-- GET /events and the admin page through these three, newest first; event_id finds one row.
CREATE INDEX hot_events_newest ON hot_events (occurred_at DESC, event_id DESC);
CREATE INDEX hot_events_user   ON hot_events (user_id, occurred_at DESC, event_id DESC);
CREATE INDEX hot_events_type   ON hot_events (event_type, occurred_at DESC, event_id DESC);
CREATE INDEX hot_events_id     ON hot_events (event_id);

-- Frames are compressed already; PostgreSQL must not try again.
ALTER TABLE batches ALTER COLUMN payload SET STORAGE EXTERNAL;
