-- Returns the ids of a time span's hot events in the given buckets, and how many rows each id has.
SELECT event_id::text, count(*)
FROM hot_events
WHERE project_id = %(project)s AND occurred_at >= %(start)s AND occurred_at < %(end)s
  AND ('x' || left(md5(event_id::text), 16))::bit(64)::bigint & %(mask)s
      = ANY(%(buckets)s::bigint[])
GROUP BY event_id
