-- The most frequent event types; equal counts by name.
SELECT event_type, sum(events) AS count
FROM daily_events
WHERE day BETWEEN {start:Date} AND {end:Date} AND /*segments*/ 1
GROUP BY event_type
HAVING count > 0 -- a correction may have left 0
ORDER BY count DESC, event_type
LIMIT {limit:UInt32}
