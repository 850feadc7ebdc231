-- Users a day with an event that matches, from the events themselves.
SELECT toDate(occurred_at) AS day, uniqExact(user_hash)
FROM events
WHERE occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1 AND /*segments*/ 1
GROUP BY day
