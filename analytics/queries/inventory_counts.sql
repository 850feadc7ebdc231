-- Rows a day, surplus copies included.
SELECT toDate(occurred_at) AS day, count()
FROM events
WHERE occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1
GROUP BY day
ORDER BY day
