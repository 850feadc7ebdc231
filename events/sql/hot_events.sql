-- The hot layer of all projects. Text compares byte by byte: a locale has no use here and slows every comparison.
-- Properties are json, because jsonb changes numbers and the order of keys.
CREATE TABLE hot_events (
    event_id    uuid        NOT NULL,
    occurred_at timestamptz NOT NULL,
    project_id  integer     NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    event_type  text COLLATE "C" NOT NULL,
    properties  json        NOT NULL
) PARTITION BY RANGE (occurred_at);

-- GET /events and the admin show pages of a project's events, newest first, by the first three
-- indexes. The last index finds one row by its event_id.
CREATE INDEX hot_events_newest ON hot_events (project_id, occurred_at DESC, event_id DESC);
CREATE INDEX hot_events_user   ON hot_events (project_id, user_id, occurred_at DESC, event_id DESC);
CREATE INDEX hot_events_type   ON hot_events (project_id, event_type, occurred_at DESC, event_id DESC);
CREATE INDEX hot_events_id     ON hot_events (event_id);

-- Frames are compressed already; PostgreSQL must not try again.
ALTER TABLE batches ALTER COLUMN payload SET STORAGE EXTERNAL;
