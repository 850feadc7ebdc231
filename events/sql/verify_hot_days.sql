-- Returns the day on which the hot layer has each of the given ids.
SELECT event_id::text, (occurred_at AT TIME ZONE 'UTC')::date
FROM hot_events
WHERE project_id = %(project)s AND event_id = ANY(%(ids)s::uuid[])
