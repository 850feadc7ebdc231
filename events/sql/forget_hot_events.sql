-- Deletes from the hot layer the events that ClickHouse never had.
DELETE FROM hot_events WHERE project_id = %(project)s AND event_id = ANY(%(ids)s::uuid[])
