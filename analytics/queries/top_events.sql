-- The most frequent event types; equal counts by name. A correction may have left a count of 0. The
-- caller drops these, which come last: a HAVING here costs more to plan. The table has a row for each
-- day and type, so threads and choosing what to read first cost more than they save.
SELECT event_type, sum(events) AS count
FROM daily_events
WHERE day BETWEEN {start:Date} AND {end:Date} AND /*segments*/ 1
GROUP BY event_type
ORDER BY count DESC, event_type
LIMIT {limit:UInt32}
SETTINGS max_threads = 1, optimize_move_to_prewhere = 0
