-- How often each of some ids is there, on some days.
SELECT toString(event_id), count()
FROM events
WHERE occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1 AND event_id IN {ids:Array(UUID)}
GROUP BY event_id
