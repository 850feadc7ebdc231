-- Returns the given hot events in full, one row for each.
SELECT DISTINCT ON (event_id) event_id::text, occurred_at, user_id, event_type, properties::text
FROM hot_events
WHERE project_id = %(project)s AND event_id = ANY(%(ids)s::uuid[])
ORDER BY event_id
