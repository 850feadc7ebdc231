-- The ids of all projects. This table stays empty: each project has a table that inherits from it.
CREATE TABLE dedup (
    event_id   uuid        NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now()
);
