-- The ids of a span's hot events in some buckets, and how often each is there.
SELECT event_id::text, count(*)
FROM hot_events
WHERE occurred_at >= %(start)s AND occurred_at < %(end)s
  AND ('x' || left(md5(event_id::text), 16))::bit(64)::bigint & %(mask)s
      = ANY(%(buckets)s::bigint[])
GROUP BY event_id
