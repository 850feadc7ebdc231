-- The most frequent event types; equal counts by name. A correction may have left a count of 0. The
-- caller drops these, which come last: a HAVING here costs more to plan.
SELECT event_type, sum(events) AS count
FROM daily_events
WHERE day BETWEEN {start:Date} AND {end:Date} AND /*segments*/ 1
GROUP BY event_type
ORDER BY count DESC, event_type
LIMIT {limit:UInt32}
