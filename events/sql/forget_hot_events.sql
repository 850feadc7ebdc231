-- Deletes from the hot layer the events that ClickHouse never had.
DELETE FROM hot_events WHERE event_id = ANY(%(ids)s::uuid[])
