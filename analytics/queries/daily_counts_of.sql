-- How many events with some ids there are, by day and type.
SELECT toDate(occurred_at, {tz:String}) AS day, event_type, count()
FROM events
WHERE occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1
    AND event_id IN {ids:Array(UUID)}
GROUP BY day, event_type
