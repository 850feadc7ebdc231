-- Takes events out of the hot layer that ClickHouse never had.
DELETE FROM hot_events WHERE event_id = ANY(%(ids)s::uuid[])
