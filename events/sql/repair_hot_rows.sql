-- Returns the given hot events in full, one row for each.
SELECT DISTINCT ON (event_id) event_id::text, occurred_at, user_id, event_type, properties::text
FROM hot_events
WHERE event_id = ANY(%(ids)s::uuid[])
ORDER BY event_id
