-- Users a day with an event that matches, from the events themselves. Days beside the range may have
-- too low counts, and the caller leaves these days out.
SELECT toDate(occurred_at, {tz:String}) AS day, uniqExact(user_hash)
FROM events
WHERE occurred_at >= {since:DateTime64(3, 'UTC')} AND occurred_at < {until:DateTime64(3, 'UTC')}
    AND /*segments*/ 1
GROUP BY day
