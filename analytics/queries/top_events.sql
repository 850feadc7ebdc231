-- The most frequent event types, by name where they tie.
SELECT event_type, sum(events) AS count
FROM daily_events
WHERE day BETWEEN {start:Date} AND {end:Date} AND /*segments*/ 1
GROUP BY event_type
HAVING count > 0 -- what a correction took away
ORDER BY count DESC, event_type
LIMIT {limit:UInt32}
